// A minute of two lines, one sample a second: what the browser measures and what Peerless does.

const SECONDS = 60;
const COLORS = { browser: "#46d6b4", server: "#7aa7ff" };

export class Graph {
  /** `format` makes a number readable; `least` is the smallest top of the scale. */
  constructor(id, format, least) {
    this.canvas = document.getElementById(id);
    this.output = document.getElementById(`${id}-now`);
    this.format = format;
    this.least = least;
    this.clear();
    new ResizeObserver(() => this.draw()).observe(this.canvas);
  }

  clear() {
    this.lines = { browser: [], server: [] };
    this.output.textContent = "";
    this.draw();
  }

  push(sample) {
    for (const side of Object.keys(this.lines)) {
      const line = this.lines[side];
      line.push(Number.isFinite(sample[side]) ? sample[side] : null);
      if (line.length > SECONDS) line.shift();
    }
    const known = [sample.browser, sample.server].filter(Number.isFinite);
    this.output.textContent = known.map(this.format).join(" · ");
    this.draw();
  }

  draw() {
    const ratio = window.devicePixelRatio || 1;
    const { clientWidth: width, clientHeight: height } = this.canvas;
    this.canvas.width = width * ratio;
    this.canvas.height = height * ratio;
    const context = this.canvas.getContext("2d");
    context.scale(ratio, ratio);

    const values = Object.values(this.lines).flat().filter((value) => value !== null);
    const top = Math.max(this.least, ...values) * 1.15;
    context.strokeStyle = "#222b35";
    context.lineWidth = 1;
    for (const part of [0, 0.5, 1]) {
      const y = Math.round(part * (height - 2)) + 0.5;
      context.beginPath();
      context.moveTo(0, y);
      context.lineTo(width, y);
      context.stroke();
    }
    const step = width / (SECONDS - 1);
    for (const [side, line] of Object.entries(this.lines)) {
      context.strokeStyle = COLORS[side];
      context.lineWidth = 1.75;
      context.lineJoin = "round";
      context.beginPath();
      let drawing = false;
      line.forEach((value, at) => {
        if (value === null) {
          drawing = false;
          return;
        }
        const x = (SECONDS - line.length + at) * step;
        const y = height - 2 - (value / top) * (height - 4);
        if (drawing) context.lineTo(x, y);
        else context.moveTo(x, y);
        drawing = true;
      });
      context.stroke();
    }
  }
}
