"""Drives a headless Chromium over WebDriver with nothing but the standard library."""

import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
import urllib.request

FLAGS = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--hide-scrollbars", "--force-color-profile=srgb",
]


class Browser:
    def __init__(self, log):
        self.profile = tempfile.mkdtemp(prefix="iaido-page.")
        self.driver = None
        self.session = None
        try:
            self._start(log)
        except BaseException:
            self.close()
            raise

    def _start(self, log):
        environment = dict(os.environ, HOME=self.profile)
        self.driver = subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE,
                                       stderr=log, env=environment, text=True)
        for line in self.driver.stdout:
            if "started successfully on port" in line:
                self.url = "http://127.0.0.1:" + line.rstrip(". \n").rsplit(" ", 1)[1]
                break
        else:
            raise RuntimeError("chromedriver does not start")
        options = {"args": FLAGS + ["--user-data-dir=" + os.path.join(self.profile, "data")]}
        answer = self.ask("POST", "/session", {"capabilities": {"alwaysMatch": {
            "browserName": "chrome", "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL"}}}})
        self.session = answer["sessionId"]

    def ask(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, method=method,
                                         headers={"Content-Type": "application/json"})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(json.load(error)["value"]["message"]) from None

    def _in_session(self, method, path, body=None):
        return self.ask(method, "/session/" + self.session + path, body)

    def open(self, url):
        self._in_session("POST", "/url", {"url": url})

    def run(self, script, *arguments):
        """What `return` in the script returns."""
        return self._in_session("POST", "/execute/sync",
                                {"script": script, "args": list(arguments)})

    def wait(self, script, what, seconds=30):
        deadline = time.monotonic() + seconds
        while not (value := self.run("return " + script)):
            if time.monotonic() > deadline:
                raise AssertionError("not within %d s: %s" % (seconds, what))
            time.sleep(0.1)
        return value

    def command(self, name, **parameters):
        """A command of Chromium's own protocol."""
        return self._in_session("POST", "/goog/cdp/execute",
                                {"cmd": name, "params": parameters})

    def look_like(self, width, height, scale, mobile, dark):
        self.command("Emulation.setDeviceMetricsOverride", width=width, height=height,
                     deviceScaleFactor=scale, mobile=mobile)
        self.command("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def screenshot(self, path, height=None):
        """Of the whole page, however long it is, or of so much of it."""
        size = self.command("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": height or size["height"],
                "scale": 1}
        data = self.command("Page.captureScreenshot", format="png", clip=clip,
                            captureBeyondViewport=True)["data"]
        with open(path, "wb") as out:
            out.write(base64.b64decode(data))

    def log(self):
        return self._in_session("POST", "/se/log", {"type": "browser"})

    def close(self):
        try:
            if self.session:
                self._in_session("DELETE", "")
        finally:
            if self.driver:
                self.driver.terminate()
                self.driver.wait()
            shutil.rmtree(self.profile, ignore_errors=True)
