/* The picture of one frontend: its tiers from the nearest down, each backend a vessel that fills. */
const SIGNS = { up: "\u2713", failed: "\u2715", draining: "\u2193", disabled: "\u2013" };
const MANY = 24; /* backends in a tier, from which on they are drawn small */
const MOST = 600; /* and past which the rest is only counted */

function hasRoom(b) {
	return b.state === "up" && (b.connections.max === 0 || b.connections.active < b.connections.max);
}

function groupTiers(backends) {
	const tiers = new Map();
	for (const b of backends) {
		if (!tiers.has(b.tier)) tiers.set(b.tier, []);
		tiers.get(b.tier).push(b);
	}
	return [...tiers].sort((a, b) => a[0] - b[0]).map(([tier, list]) => ({ tier, list }));
}

function createVessel() {
	const e = make("div", "vessel");
	const who = make("div", "who"), how = make("div", "how");
	e.parts = { sign: make("span", "sign"), address: make("span"), host: make("div", "host"),
		active: make("b"), latency: make("span"), why: make("div", "why") };
	who.append(e.parts.sign, e.parts.address);
	how.append(e.parts.active, e.parts.latency);
	e.append(who, e.parts.host, how, e.parts.why);
	return e;
}

function explain(b, now) {
	const since = span((now - Date.parse(b.lastChange)) / 1000);
	if (b.state === "failed") return "failed " + since + (b.lastError ? " \u00b7 " + b.lastError : "");
	if (b.state === "up" && !hasRoom(b)) return "full";
	if (b.state === "up") return "up " + since;
	return b.state + " " + since;
}

function updateVessel(e, b, scale, now) {
	const c = b.connections, full = b.state === "up" && !hasRoom(b);
	const level = c.active === 0 ? 0 : Math.max(6, Math.min(100, (100 * c.active) / (c.max || scale)));
	const why = explain(b, now), took = latency(seconds(b.latency));
	const of = c.max ? " / " + count(c.max) : "";
	const name = "vessel " + b.state + (full ? " full" : "");
	const host = b.address.startsWith(b.host + ":") || b.address.startsWith("[" + b.host + "]") ? "" : b.host;

	if (e.className !== name) e.className = name;
	e.style.setProperty("--level", level.toFixed(1));
	setText(e.parts.sign, SIGNS[b.state] || "?");
	setText(e.parts.address, b.address);
	setText(e.parts.host, host);
	setText(e.parts.active, count(c.active) + of);
	setText(e.parts.latency, took);
	setText(e.parts.why, why);
	e.title = b.address + (host ? " (" + host + ")" : "") + "\n" + why + "\n" + c.active + of +
		" connections, " + c.total + " since the start\nlatency " + took + "\n" + b.dialFailures + " dials failed" +
		"\nconfigured tier " + b.configuredTier;
}

function createTier() {
	const e = make("section", "tier"), label = make("div", "label");
	e.parts = { name: make("span"), note: make("small"), vessels: make("div", "vessels"), more: make("div", "more") };
	label.append(e.parts.name, e.parts.note);
	e.append(label, e.parts.vessels);
	return e;
}

function noteOf(tier, used) {
	const active = tier.list.reduce((n, b) => n + b.connections.active, 0);
	if (tier.tier === used) return "takes new connections";
	if (!tier.list.some((b) => b.state === "up")) return "not usable";
	if (used !== null && tier.tier > used) return active ? count(active) + " spilled over" : "waits";
	return "full";
}

function updateTier(e, tier, used, scale, now) {
	const more = tier.list.length - MOST;
	const name = "tier" + (tier.tier === used ? " used" : "") + (used === null || tier.tier < used ? " passed" : "");
	if (e.className !== name) e.className = name;
	setText(e.parts.name, "Tier " + tier.tier);
	setText(e.parts.note, noteOf(tier, used));
	e.parts.vessels.classList.toggle("many", tier.list.length > MANY);
	keep(e.parts.vessels, tier.list.slice(0, MOST), (b) => b.address, createVessel,
		(v, b) => updateVessel(v, b, scale, now));
	setText(e.parts.more, more > 0 ? "and " + more + " more" : "");
	if (more > 0) e.parts.vessels.append(e.parts.more);
	else e.parts.more.remove();
}

function updatePicture(e, backends, now) {
	const tiers = groupTiers(backends);
	const best = tiers.find((t) => t.list.some(hasRoom));
	/* Without limits the fullest one sets the scale, so that a load of two does not look like much. */
	const scale = Math.max(10, ...backends.map((b) => b.connections.active)) * 1.15;
	keep(e, tiers, (t) => t.tier, createTier, (s, t) => updateTier(s, t, best ? best.tier : null, scale, now));
}
