"use strict";
/* How numbers, times and durations are written, and small helpers to make elements. Nothing that
 * comes from the server becomes markup: it is all set as text. */
const MINUTES = 5;

function make(tag, name, text) {
	const e = document.createElement(tag);
	if (name) e.className = name;
	if (text !== undefined) e.textContent = text;
	return e;
}

function setText(e, text) {
	if (e.textContent !== text) e.textContent = text;
}

/* Keeps one child per item, in their order; `update` is called for each. */
function keep(parent, items, keyOf, create, update) {
	const old = parent.kept || new Map(), now = new Map();
	let at = parent.firstChild;
	for (const item of items) {
		let key = keyOf(item);
		while (now.has(key)) key += " again"; /* the same address twice: one of them drains */
		const e = old.get(key) || create(item);
		old.delete(key);
		now.set(key, e);
		if (e === at) at = at.nextSibling;
		else parent.insertBefore(e, at);
		update(e, item);
	}
	for (const e of old.values()) e.remove();
	parent.kept = now;
}

function count(n) {
	if (n < 10000) return String(Math.round(n));
	const units = ["k", "M", "G", "T", "P", "E"];
	let unit = -1;
	for (; n >= 999.5 && unit < 5; unit++) n /= 1000;
	return (n < 99.95 ? n.toFixed(1) : n.toFixed(0)) + "\u202f" + units[unit];
}

function bytes(n) {
	return n < 10000 ? Math.round(n) + "\u202fB" : count(n) + "B";
}

function rate(n) {
	return n > 0 && n < 10 ? n.toFixed(1) : count(n);
}

/* Seconds of a duration as Go writes it, or null. */
function seconds(text) {
	const units = { ns: 1e-9, "\u00b5s": 1e-6, ms: 1e-3, s: 1, m: 60, h: 3600 };
	let sum = 0, found = false;
	for (const [, n, unit] of (text || "").matchAll(/([\d.]+)(ns|\u00b5s|ms|s|m|h)/g)) {
		sum += Number(n) * units[unit];
		found = true;
	}
	return found ? sum : null;
}

function latency(s) {
	if (s === null || s === undefined) return "\u2013";
	const digits = (n) => n.toFixed(n < 9.95 ? 1 : 0);
	if (s < 0.9995e-3) return digits(s * 1e6) + "\u202f\u00b5s";
	if (s < 0.9995) return digits(s * 1e3) + "\u202fms";
	return digits(s) + "\u202fs";
}

function span(s) {
	s = Math.max(0, Math.floor(s));
	const two = (a, b) => (b[0] ? a + "\u202f" + b.join("\u202f") : a);
	if (s < 60) return s + "\u202fs";
	if (s < 3600) return two(Math.floor(s / 60) + "\u202fmin", s < 600 && s % 60 ? [s % 60, "s"] : []);
	if (s < 86400) return two(Math.floor(s / 3600) + "\u202fh", [Math.floor(s / 60) % 60, "min"]);
	return two(Math.floor(s / 86400) + "\u202fd", [Math.floor(s / 3600) % 24, "h"]);
}

function clock(date) {
	return date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
}
