"""Latency over the moves as one SVG file: a row for each way, a dot for each request, a band for each move's pause."""

WIDTH, ROW, LEFT = 1000, 120, 90


def write_plot(path, series, moves):
    """series: {name: [[began, took, problem], …]}; moves: [(began, ended), …]; seconds."""
    end = max((times[-1][0] for times in series.values() if times), default=1.0)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH + LEFT + 20}" height="{ROW * len(series) + 40}"'
        ' font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="white"/>'
    ]
    for row, (name, times) in enumerate(series.items()):
        top, highest = row * ROW + 20, max([t[1] for t in times] + [0.05])
        parts.append(f'<text x="4" y="{top + 14}">{name}</text>')
        parts.append(f'<text x="4" y="{top + 30}" fill="gray">to {highest * 1000:.0f} ms</text>')
        for began, ended in moves:
            x, wide = LEFT + began / end * WIDTH, max((ended - began) / end * WIDTH, 1)
            parts.append(f'<rect x="{x:.1f}" y="{top}" width="{wide:.1f}" height="{ROW - 20}" fill="#fd9" opacity="0.6"/>')
        for began, took, problem in times:
            x, y = LEFT + began / end * WIDTH, top + (ROW - 22) * (1 - took / highest)
            colour = "#c00" if problem else "#069"
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{3 if problem else 1.2}" fill="{colour}"/>')
        parts.append(f'<path d="M{LEFT} {top + ROW - 20}h{WIDTH}" stroke="gray"/>')
    parts.append(f'<text x="{LEFT}" y="{ROW * len(series) + 34}">0 s</text>')
    parts.append(f'<text x="{LEFT + WIDTH - 40}" y="{ROW * len(series) + 34}">{end:.0f} s</text></svg>')
    path.write_text("\n".join(parts) + "\n")
