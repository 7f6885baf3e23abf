/* A small line chart of the last minutes: of the one that is known at first, later of five. Time runs
 * to the right edge, which is now. */
function Chart(title, format) {
	const NS = "http://www.w3.org/2000/svg";
	const svgPart = (tag, name) => {
		const e = document.createElementNS(NS, tag);
		e.setAttribute("class", name);
		return e;
	};
	const root = make("figure", "chart");
	const head = make("figcaption", "head"), value = make("b");
	const plot = make("div", "plot"), top = make("span", "top"), foot = make("div", "foot");
	const svg = svgPart("svg", ""), area = svgPart("path", "area"), line = svgPart("path", "line");
	const cursor = svgPart("line", "cursor");
	const begin = make("span"), end = make("span", "", "now");
	let shown = [], now = 0, width = 60000, ceiling = 0, pointer = null;

	head.append(make("span", "", title), value);
	svg.setAttribute("viewBox", "0 0 300 60");
	svg.setAttribute("preserveAspectRatio", "none");
	svg.setAttribute("role", "img");
	svg.append(area, line, cursor);
	plot.append(svg, top);
	foot.append(begin, end);
	root.append(head, plot, foot);

	const x = (t) => 300 - ((now - t) / width) * 300;
	const y = (v) => 59 - (ceiling ? (v / ceiling) * 50 : 0);

	/* Rises at once, sinks slowly, in steps of 1, 2, 5, so that the scale does not dance. */
	function findCeiling() {
		const most = Math.max(0, ...shown.map((p) => p.v));
		if (most === 0) {
			ceiling = 0;
		} else if (most > ceiling || most < ceiling * 0.35) {
			const power = Math.pow(10, Math.floor(Math.log10(most)));
			ceiling = [1, 2, 5, 10].map((m) => m * power).find((m) => m >= most);
		}
	}

	function drawCursor() {
		let p = shown[shown.length - 1];
		cursor.style.display = "none";
		if (pointer !== null && shown.length) {
			const t = now - (1 - pointer) * width;
			p = shown.reduce((a, b) => (Math.abs(b.t - t) < Math.abs(a.t - t) ? b : a));
			cursor.style.display = "";
			for (const [k, v] of [["x1", x(p.t)], ["x2", x(p.t)], ["y1", 0], ["y2", 60]]) cursor.setAttribute(k, v);
			setText(end, clock(new Date(p.t)));
		} else {
			setText(end, "now");
		}
		setText(value, p ? format(p.v) : "\u2013");
	}

	plot.addEventListener("pointermove", (e) => {
		const box = plot.getBoundingClientRect();
		pointer = Math.min(1, Math.max(0, (e.clientX - box.left) / box.width));
		drawCursor();
	});
	plot.addEventListener("pointerleave", () => {
		pointer = null;
		drawCursor();
	});

	/* points: [{t: ms, v: number or null}], in order; a null is a gap. */
	function draw(points, at) {
		const parts = [];
		let run = [];
		now = at;
		width = Math.min(MINUTES * 60000, Math.max(60000, points.length ? now - points[0].t : 0));
		shown = points.filter((p) => p.v !== null && p.t >= now - width);
		setText(begin, span(width / 1000) + " ago");
		findCeiling();
		for (const p of points) {
			if (p.v !== null && p.t >= now - width - 2000) {
				run.push(p);
			} else if (run.length) {
				parts.push(run);
				run = [];
			}
		}
		if (run.length) parts.push(run);
		const path = (r) => r.map((p) => x(p.t).toFixed(1) + " " + y(p.v).toFixed(1)).join("L");
		line.setAttribute("d", parts.map((r) => "M" + path(r)).join(""));
		area.setAttribute("d", parts.map((r) => "M" + x(r[0].t).toFixed(1) + " 60L" + path(r) + "L" +
			x(r[r.length - 1].t).toFixed(1) + " 60Z").join(""));
		setText(top, ceiling ? format(ceiling) : "");
		drawCursor();
		svg.setAttribute("aria-label", title + ": " + value.textContent);
	}

	return { root, draw };
}
