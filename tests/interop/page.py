#!/usr/bin/env python3
"""The page for people, in a real browser: page.py IAIDO DIRECTORY SCREENSHOTS. It is opened, load comes
and spills over, a backend fails and returns, a reload is refused, and each time the picture changes."""

import os
import subprocess
import sys
import time
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
from browser import Browser  # noqa: E402
from town import Town, free_port  # noqa: E402

NAMES = {
    "db-1.near.example": "127.1.0.1", "db-2.near.example": "127.1.0.2",
    "db-3.mid.example": "127.1.1.1", "db-4.mid.example": "127.1.1.2",
    "db-5.mid.example": "127.1.1.3", "db-6.far.example": "127.1.2.1",
    "db-7.far.example": "127.1.2.2", "cache-1.example": "127.2.0.1",
    "cache-2.example": "127.2.0.2",
}

CONFIG = """\
diagAddr: 127.0.0.1:{diag}
gracePeriod: 1s
workers: 2
resolver: {{servers: ["127.0.0.1:{dns}"]}}
frontends:
  - bindAddress: 127.0.0.1:{db}
    rebalanceDuration: 1s
    backendPool:
      tiers:
        - maxBackendConnections: 40
          targets: [{{hosts: [db-1.near.example, db-2.near.example], port: {port}}}]
        - maxBackendConnections: 60
          targets: [{{hosts: [db-3.mid.example, db-4.mid.example, db-5.mid.example], port: {port}}}]
        - targets:
            - {{hosts: [db-6.far.example], port: {port}}}
            - {{hosts: [db-7.far.example], port: {port}, disabled: true}}
  - bindAddress: 127.0.0.1:{cache}
    rebalanceDuration: 1s
    backendPool:
      tiers:
        - targets: [{{hosts: [cache-1.example, cache-2.example], port: {port}}}]
"""

VESSEL = """[...document.querySelectorAll('.vessel')].find(
    (v) => v.querySelector('.who').textContent.includes('%s:'))"""


class Stage:
    def __init__(self, iaido, directory):
        self.town = Town(NAMES)
        self.ports = {"diag": free_port(), "db": free_port(), "cache": free_port(),
                      "port": self.town.port, "dns": self.town.dns_port}
        self.path = os.path.join(directory, "page.yaml")
        self.write(CONFIG.format(**self.ports))
        self.url = "http://127.0.0.1:%d/" % self.ports["diag"]
        with open(os.path.join(directory, "iaido.log"), "w", encoding="utf-8") as log:
            self.iaido = subprocess.Popen([iaido, "-c", self.path], stderr=log)
        deadline = time.monotonic() + 15
        while not self.is_ready():
            if time.monotonic() > deadline or self.iaido.poll() is not None:
                raise AssertionError("iaido does not become ready")
            time.sleep(0.1)

    def is_ready(self):
        try:
            return urllib.request.urlopen(self.url + "readyz?backends=all", timeout=5).status == 200
        except OSError:
            return False

    def write(self, text):
        with open(self.path + ".new", "w", encoding="utf-8") as out:
            out.write(text)
        os.rename(self.path + ".new", self.path)

    def close(self):
        self.iaido.terminate()
        self.iaido.wait()


def vessel(address, what):
    return "(" + VESSEL % address + ")" + what


def check_shown(browser):
    browser.wait("document.querySelector('#ready').textContent.includes('\u2713 ready')", "ready")
    browser.wait("document.querySelectorAll('.vessel').length == %d" % len(NAMES), "all backends")
    browser.wait("document.querySelectorAll('.frontend').length == 2", "both frontends")
    browser.wait("document.querySelectorAll('.frontend:first-child .tier').length >= 3", "tiers")
    browser.wait(vessel("127.1.2.2", ".classList.contains('disabled')"), "the disabled one")
    browser.wait("document.querySelectorAll('.worker.ready').length == 2", "workers")


def check_self_contained(browser, url):
    """Nothing but this page and its questions, no complaint in the console; markup has no power."""
    for name in browser.run("return performance.getEntriesByType('resource').map((e) => e.name)"):
        assert name.startswith(url) or name.startswith("data:"), name
    complaints = [e["message"] for e in browser.log() if e["level"] in ("SEVERE", "WARNING")]
    assert not complaints, complaints
    denied = browser.run("""
        const s = document.createElement('script');
        s.textContent = 'window.ran = true';
        document.head.append(s);
        return window.ran !== true;""")
    assert denied, "a foreign script ran"
    browser.log()


def check_fits(browser):
    wide = browser.run("return document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0, "%d pixels too wide" % wide


def spill(stage, browser):
    stage.town.keep_open(stage.ports["cache"], 14)
    stage.town.keep_open(stage.ports["db"], 50)
    browser.wait(vessel("127.1.0.1", ".querySelector('.how b').textContent == '25 / 40'"), "25 of 40")
    low = browser.run("return " + vessel("127.1.0.1", ".style.getPropertyValue('--level')"))
    stage.town.keep_open(stage.ports["db"], 120)
    browser.wait(vessel("127.1.0.1", ".classList.contains('full')"), "full")
    high = browser.run("return " + vessel("127.1.0.1", ".style.getPropertyValue('--level')"))
    assert float(low) < float(high) == 100, (low, high)
    browser.wait("document.querySelector('.tier.used .label').textContent.includes('Tier 1')",
                 "new connections go to tier 1")
    assert "full" in browser.run("return document.querySelector('.tier .label').textContent")


def live_a_while(stage):
    """Not waited for: it only gives the lines in the pictures some shape."""
    for i, clients in enumerate((96, 104, 88, 70, 64, 76, 90, 108, 116, 120)):
        stage.town.keep_open(stage.ports["db"], clients)
        stage.town.keep_open(stage.ports["cache"], 10 + 3 * (i % 3))
        time.sleep(2.5)


def fail_and_return(stage, browser, shots):
    stage.town.fail("127.1.0.2")
    browser.wait(vessel("127.1.0.2", ".classList.contains('failed')"), "it is shown as failed")
    browser.wait(vessel("127.1.0.2", ".textContent.includes('\u2715')"), "without colour too")
    browser.wait(vessel("127.1.0.2", ".textContent.includes('Connection refused')"), "and why")
    browser.wait("document.querySelector('#events').textContent.includes('127.1.0.2:%d failed')" %
                 stage.town.port, "it is told")
    browser.wait("document.title.startsWith('1 failed')", "in the title too")
    browser.wait(vessel("127.1.0.2", ".querySelector('.how b').textContent == '0 / 40'"), "empty")
    browser.run("return document.getAnimations().forEach((a) => a.finish())")
    browser.screenshot(os.path.join(shots, "failed.png"))
    browser.screenshot(os.path.join(shots, "failed-first-look.png"), 1024)
    stage.town.open("127.1.0.2")
    browser.wait(vessel("127.1.0.2", ".classList.contains('up')"), "it is back")
    browser.wait("document.querySelector('#events').textContent.includes('127.1.0.2:%d is back')" %
                 stage.town.port, "that is told")


def refuse_reload(stage, browser, shots):
    good = CONFIG.format(**stage.ports)
    stage.write(good + '"<img src=x onerror=alert(1)>": 1\n')
    browser.wait("!document.querySelector('#reload').hidden", "the reload is refused")
    browser.wait("document.querySelector('#reload pre').textContent.includes('<img src=x')", "why")
    assert browser.run("return document.querySelectorAll('img').length") == 0
    browser.screenshot(os.path.join(shots, "refused.png"))
    stage.write(good.replace("maxBackendConnections: 40", "maxBackendConnections: 45"))
    browser.wait("document.querySelector('#reload').hidden", "a good one is taken")
    browser.wait("document.querySelectorAll('.worker.draining').length > 0", "the old ones drain")


def show_many_faces(browser, shots):
    for name, face in {
        "desktop-light": (1120, 900, 1, False, False), "desktop-dark": (1120, 900, 1, False, True),
        "phone-light": (390, 844, 2, True, False), "phone-dark": (390, 844, 2, True, True),
        "narrow": (320, 640, 2, True, False),
    }.items():
        browser.look_like(*face)
        check_fits(browser)
        looks = browser.run("return Number(document.body.dataset.looks)")
        browser.wait("Number(document.body.dataset.looks) > %d" % (looks + 1), "it goes on")
        browser.screenshot(os.path.join(shots, name + ".png"))
    browser.look_like(390, 844, 2, True, True)
    browser.screenshot(os.path.join(shots, "phone-first-look.png"), 844)


def stop_and_see(stage, browser):
    stage.close()
    browser.wait("!document.querySelector('#stale').hidden", "silence is shown")


def main():
    iaido, directory, shots = sys.argv[1:]
    os.makedirs(shots, exist_ok=True)
    stage = Stage(iaido, directory)
    with open(os.path.join(directory, "browser.log"), "w", encoding="utf-8") as log:
        browser = Browser(log)
    try:
        browser.look_like(1120, 900, 1, False, False)
        browser.open(stage.url)
        check_shown(browser)
        check_self_contained(browser, stage.url)
        spill(stage, browser)
        live_a_while(stage)
        fail_and_return(stage, browser, shots)
        refuse_reload(stage, browser, shots)
        stage.town.fail("127.1.1.2")
        browser.wait(vessel("127.1.1.2", ".classList.contains('failed')"), "another one fails")
        show_many_faces(browser, shots)
        stop_and_see(stage, browser)
    except BaseException:
        browser.screenshot(os.path.join(shots, "at-fault.png"))
        raise
    finally:
        browser.close()
        stage.close()
    print("the page holds; screenshots in " + shots)


if __name__ == "__main__":
    main()
