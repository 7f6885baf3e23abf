"""Draws the proxies' CPU time per unit, relative to HAProxy, as an SVG."""
from html import escape

import report

COLOURS = {"iaido": "#c0392b", "haproxy": "#2c6fbb", "haproxy-forced": "#8ab6e6",
           "nginx": "#3a9a5b", "floor-copy": "#888888", "floor-splice": "#bbbbbb"}
LEFT, RIGHT, TOP, BAR, GAP = 190, 60, 64, 11, 14
WIDTH, LONGEST = 860, 1.6      # of HAProxy; what is longer is cut and says so


def bar(x, y, width, colour, label):
    return (f'<rect x="{x}" y="{y}" width="{width:.1f}" height="{BAR - 2}" fill="{colour}"/>'
            f'<text x="{x + width + 4:.1f}" y="{y + BAR - 3}" class="value">{escape(label)}</text>')


def legend(systems):
    out, x = [], LEFT
    for system in systems:
        label = report.LABELS[system]
        out.append(f'<rect x="{x}" y="38" width="10" height="10" fill="{COLOURS[system]}"/>'
                   f'<text x="{x + 14}" y="47">{escape(label)}</text>')
        x += 30 + 7 * len(label)
    return out


def render(result):
    view = report.View(result)
    systems = [s for s in view.systems if s in COLOURS]
    peer = "haproxy" if "haproxy" in systems else systems[0] if systems else None
    placement = view.placements[0]
    scale = (WIDTH - LEFT - RIGHT) / LONGEST
    body, y = legend(systems), TOP
    for workload in view.workloads:
        base = view.cost(placement, workload, peer) if peer else None
        if not base:
            continue
        body.append(f'<text x="{LEFT - 10}" y="{y + BAR * len(systems) / 2 + 4}" '
                    f'text-anchor="end">{escape(workload.name)}</text>')
        for system in systems:
            cost = view.cost(placement, workload, system)
            if cost is not None:
                width = min(cost / base, LONGEST) * scale
                body.append(bar(LEFT, y, width, COLOURS[system], report.number(cost)))
            y += BAR
        y += GAP
    x = LEFT + scale
    body.append(f'<line x1="{x:.1f}" y1="{TOP - 6}" x2="{x:.1f}" y2="{y - GAP + 2}" class="base"/>')
    title = "CPU time of the proxy per request, connection or GB (shorter is better)"
    notes = "µs per request or connection, ms per GB; all on one core" if placement == "shared" \
        else "µs per request or connection, ms per GB; the proxy alone on its core"
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y + 20}" '
        f'viewBox="0 0 {WIDTH} {y + 20}" font-family="sans-serif" font-size="12">',
        "<style>.value{font-size:9px;fill:#444}.base{stroke:#2c6fbb;stroke-dasharray:3 3}</style>",
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="{LEFT}" y="22" font-size="15">{title}</text>', *body,
        f'<text x="{LEFT}" y="{y + 10}" class="value">{notes}</text>', "</svg>"]) + "\n"
