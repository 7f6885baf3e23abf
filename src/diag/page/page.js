/* Asks for the status each second, remembers the last minutes, and shows it all. */
const histories = new Map(); /* by bindAddress */
const $ = (id) => document.getElementById(id);
let last = null, lastAt = 0, clockSkew = 0;

function median(list) {
	const sorted = [...list].sort((a, b) => a - b), n = sorted.length;
	return n === 0 ? null : n % 2 ? sorted[(n - 1) / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

/* Latency where new connections go: the median of the usable backends of the first usable tier. */
function latencyInUse(backends) {
	const up = backends.filter((b) => b.state === "up" && b.latency !== null);
	const best = Math.min(...up.map((b) => b.tier));
	return median(up.filter((b) => b.tier === best).map((b) => seconds(b.latency)));
}

/* Per second, over the last few seconds; null when a restart made the totals start anew. */
function slope(points, key) {
	const b = points[points.length - 1];
	const a = points.find((p) => p.t >= b.t - 4500) || b;
	return b.t > a.t && b[key] >= a[key] ? ((b[key] - a[key]) * 1000) / (b.t - a.t) : null;
}

function remember(f, t) {
	let points = histories.get(f.bindAddress);
	if (!points) histories.set(f.bindAddress, (points = []));
	const p = { t, open: f.connections.active, total: f.connections.total, in: f.bytes.in, out: f.bytes.out,
		latency: latencyInUse(f.backends) };
	/* A hole in what is known is a hole in the lines. */
	if (points.length && t - points[points.length - 1].t > 5000)
		points.push({ t: t - 1, open: null, latency: null, bytes: null });
	points.push(p);
	p.bytes = (slope(points, "in") ?? 0) + (slope(points, "out") ?? 0);
	while (points[0].t < t - MINUTES * 60000 - 5000) points.shift();
	return points;
}

function createFrontend() {
	const e = make("article", "frontend"), title = make("div", "title"), charts = make("div", "charts");
	e.parts = { name: make("h3"), state: make("span", "state"), figures: make("div", "figures"),
		open: Chart("open connections", (v) => count(v)), latency: Chart("latency in use", latency),
		bytes: Chart("traffic, both ways", (v) => bytes(v) + "/s"), picture: make("div", "picture"),
		values: {} };
	for (const key of ["open", "new/s", "waiting", "in", "out"]) {
		const cell = make("span"), value = make("b");
		cell.append(value, " " + key);
		e.parts.values[key] = value;
		e.parts.figures.append(cell);
	}
	title.append(e.parts.name, e.parts.state, e.parts.figures);
	charts.append(e.parts.open.root, e.parts.latency.root, e.parts.bytes.root);
	e.append(title, charts, e.parts.picture);
	return e;
}

function updateFrontend(e, f, t) {
	const points = remember(f, t), v = e.parts.values, fresh = slope(points, "total");
	setText(e.parts.name, f.bindAddress);
	setText(e.parts.state, f.accepting ? "accepting" : "not accepting");
	e.parts.state.className = f.accepting ? "state" : "state off";
	setText(v.open, count(f.connections.active));
	setText(v["new/s"], fresh === null ? "\u2013" : rate(fresh));
	setText(v.waiting, count(f.connections.waiting));
	setText(v.in, bytes(f.bytes.in));
	setText(v.out, bytes(f.bytes.out));
	for (const key of ["open", "latency", "bytes"])
		e.parts[key].draw(points.map((p) => ({ t: p.t, v: p[key] })), t);
	updatePicture(e.parts.picture, f.backends, t + clockSkew);
}

function updateWorkers(workers, current) {
	const generations = [...new Set(workers.map((w) => w.generation))].sort((a, b) => b - a);
	keep($("workers"), generations, (g) => g, () => {
		const e = make("div", "generation");
		e.append(make("span"), make("span"));
		return e;
	}, (e, g) => {
		setText(e.firstChild, "generation " + g + (g === current ? "" : " \u2193"));
		keep(e.lastChild, workers.filter((w) => w.generation === g), (w) => w.pid, () => make("span", "worker"),
			(b, w) => {
				b.className = "worker " + w.state;
				b.title = "process " + w.pid + ", " + w.state;
				setText(b, (w.state === "draining" ? "\u2193 draining, " : "\u2713 ") + count(w.connections) + " open");
			});
	});
}

function updateNames(names) {
	$("names-section").hidden = names.length === 0;
	keep($("names"), names.slice(0, 100), (n) => n.host, () => {
		const e = make("div", "name");
		e.append(make("span", "mono"), make("span", "muted"), make("span", "error"));
		return e;
	}, (e, n) => {
		const some = n.addresses.length + (n.addresses.length === 1 ? " address" : " addresses");
		setText(e.children[0], n.host);
		setText(e.children[1], n.age === null ? "no answer yet" : some + ", " + span(n.age) + " old, ttl " + span(n.ttl));
		e.children[1].title = n.addresses.join("\n");
		setText(e.children[2], n.lastError ? "\u2715 " + n.lastError : "");
	});
}

function updateReload(config) {
	const r = config.lastReload;
	$("reload").hidden = r.ok;
	if (r.ok) return;
	setText($("reload").children[0], "\u2715 The last reload, at " + clock(new Date(r.at)) +
		", was refused; the configuration from before is in use");
	setText($("reload").children[1], r.error || "");
}

function report(kind, sign, text) {
	const list = $("events"), li = make("li", kind);
	list.querySelector(".none")?.remove();
	li.append(make("time", "", clock(new Date())), make("span", "sign", sign), make("span", "", text));
	list.prepend(li);
	while (list.children.length > 12) list.lastChild.remove();
}

/* What changed between two looks, in words. */
function compareBackends(before, f) {
	const old = new Map(before.backends.map((b) => [b.address, b]));
	for (const b of f.backends) {
		const was = old.get(b.address);
		old.delete(b.address);
		if (!was) report("", "+", b.address + " is new in tier " + b.tier);
		else if (was.state !== b.state && b.state === "up") report("", "\u2713", b.address + " is back, in tier " + b.tier);
		else if (was.state !== b.state)
			report(b.state === "failed" ? "fail" : "warn", SIGNS[b.state], b.address +
				(b.state === "failed" ? " failed" + (b.lastError ? ": " + b.lastError : "") : " is " + b.state));
		else if (was.tier !== b.tier) report("", "\u2194", b.address + " moved from tier " + was.tier + " to " + b.tier);
	}
	for (const address of old.keys()) report("warn", "\u2212", address + " is gone");
}

function compare(before, s) {
	const old = new Map(before.frontends.map((f) => [f.bindAddress, f]));
	if (before.pid !== s.pid || before.uptime > s.uptime) {
		report("warn", "\u21bb", "iaido was restarted");
		histories.clear();
		return;
	}
	if (before.config.lastReload.at !== s.config.lastReload.at && !s.config.lastReload.ok)
		report("fail", "\u2715", "a reload was refused");
	if (before.generation !== s.generation) report("", "\u21bb", "generation " + s.generation + " took over");
	for (const f of s.frontends) {
		const was = old.get(f.bindAddress);
		old.delete(f.bindAddress);
		if (!was) report("", "+", f.bindAddress + " is a new frontend");
		else compareBackends(was, f);
	}
	for (const address of old.keys()) {
		report("warn", "\u2212", "frontend " + address + " is gone");
		histories.delete(address);
	}
}

function updateReady(ready, why, s) {
	const failed = s.frontends.reduce((n, f) => n + f.backends.filter((b) => b.state === "failed").length, 0);
	setText($("ready"), ready ? "\u2713 ready" : "\u2715 not ready: " + why);
	$("ready").className = ready ? "badge good" : "badge bad";
	document.title = (ready ? failed ? failed + " failed \u00b7 " : "" : "not ready \u00b7 ") + "iaido";
}

function show(s, t) {
	if (last) compare(last, s);
	setText($("facts"), "version " + s.version + " \u00b7 process " + s.pid + " \u00b7 generation " + s.generation +
		" \u00b7 up " + span(s.uptime));
	updateReload(s.config);
	keep($("frontends"), s.frontends, (f) => f.bindAddress, createFrontend, (e, f) => updateFrontend(e, f, t));
	updateWorkers(s.workers, s.generation);
	updateNames(s.names);
	setText($("config"), s.config.path + ", loaded " + new Date(s.config.loadedAt).toLocaleString());
	last = s;
	lastAt = t;
}

async function look() {
	const began = performance.now();
	const patience = AbortSignal.timeout ? { signal: AbortSignal.timeout(8000) } : {};
	try {
		const [status, ready] = await Promise.all([fetch("statusz?format=json", patience), fetch("readyz", patience)]);
		const why = (await ready.text()).trim();
		const s = await status.json();
		const date = Date.parse(status.headers.get("date"));
		/* Dates have whole seconds: only a clock that is plainly off is put right. */
		clockSkew = Math.abs(date - Date.now()) > 3000 ? date - Date.now() : 0;
		show(s, Date.now());
		updateReady(ready.ok, why, s);
		$("stale").hidden = true;
	} catch (e) {
		$("stale").hidden = false;
		setText($("stale"), "\u2715 No answer" + (lastAt ? " for " + span((Date.now() - lastAt) / 1000) +
			"; what stands below is how it was then" : "") + ".");
		$("ready").className = "badge bad";
		setText($("ready"), "\u2715 no answer");
	}
	document.body.dataset.looks = Number(document.body.dataset.looks || 0) + 1;
	/* A large state takes its time: then look less often. */
	setTimeout(look, Math.max(document.hidden ? 5000 : 1000, 5 * (performance.now() - began)));
}
look();
