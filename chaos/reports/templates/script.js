"use strict";
(() => {
  const all = (query, root = document) => [...root.querySelectorAll(query)];
  const tip = document.getElementById("tip");
  const source = document.getElementById("data");
  const data = source ? JSON.parse(source.textContent) : {};
  const wall = document.body.dataset.wall;
  const TYPES = ["ok", "fail", "info: nobody knows whether it happened"];
  const NEAR_PX = 6;

  // Axes: what is shown of each, and the plots upon it.
  const axes = {};
  for (const plot of all(".plot")) {
    const { axis, begin, end } = plot.dataset;
    axes[axis] ??= { name: axis, begin: +begin, end: +end, from: +begin, to: +end, plots: [] };
    axes[axis].plots.push(plot);
  }

  const niceStep = (span, wanted) => {
    const power = 10 ** Math.floor(Math.log10(span / wanted));
    return [1, 2, 5, 10].map((nice) => nice * power).find((step) => step >= (span / wanted) * 0.999);
  };

  const words = (axis, at) => {
    if (axis.name === "index") return `${Math.round(at)}`;
    return `${+(at / 1000).toFixed(4)} s`;
  };

  const places = (axis) => {
    let step = niceStep(axis.to - axis.from, window.innerWidth < 900 ? 8 : 12);
    if (axis.name === "index") step = Math.max(1, step);
    const found = [];
    for (let n = Math.ceil(axis.from / step - 1e-9); n * step <= axis.to + step / 1000; n++) found.push(n * step);
    return found;
  };

  const show = (axis) => {
    const span = axis.to - axis.from;
    const percent = (at) => `${((at - axis.from) / span) * 100}%`;
    const marks = places(axis);
    for (const plot of axis.plots) {
      const view = plot.querySelector(".view");
      const height = view.viewBox.baseVal.height;
      view.setAttribute("viewBox", `${axis.from} 0 ${span} ${height}`);
      const grid = marks.map((at) => `M${at} 0V${height}`).join("");
      view.querySelector(".grid").setAttribute("d", grid);
      for (const bar of all(".bar", plot)) {
        const begin = +bar.dataset.b;
        const end = +bar.dataset.e;
        bar.hidden = end < axis.from || begin > axis.to;
        const first = Math.max(begin, axis.from);
        bar.style.left = percent(first);
        bar.style.width = `${((end - first) / span) * 100}%`;
      }
    }
    for (const ticks of all(`.ticks[data-axis="${axis.name}"]`)) {
      ticks.replaceChildren(...marks.map((at) => {
        const label = document.createElement("span");
        label.textContent = words(axis, at);
        label.style.left = percent(at);
        if (at > axis.to - span / 40) label.className = "last";
        else if (at < axis.from + span / 50) label.className = "first";
        return label;
      }));
    }
    if (axis.name === "time") {
      for (const button of all("[data-zoom]")) {
        const [from, to] = button.dataset.zoom.split(",").map(Number);
        button.classList.toggle("on", from === axis.from && to === axis.to);
      }
    }
  };

  const zoom = (axis, from, to) => {
    const least = axis.name === "index" ? 5 : 10;
    if (to - from < least) return;
    axis.from = Math.max(axis.begin, from);
    axis.to = Math.min(axis.end, to);
    show(axis);
  };

  // What is under the pointer.
  const wallClock = (ms) => (wall ? `, ${new Date(+wall + ms).toISOString().slice(11, 23)} in logs` : "");

  const operation = (row) => {
    const [begin, , , took, type, process, f, key, error, node] = row;
    const table = data.operations;
    const lines = [`${table.process[process]}: ${table.f[f]} ${table.key[key]}`, TYPES[type]];
    lines.push(took < 0 ? "it never ended" : `took ${took < 1000 ? `${took} ms` : `${(took / 1000).toFixed(2)} s`}`);
    lines[2] += `, began ${(begin / 1000).toFixed(3)} s`;
    if (table.node[node]) lines.push(`sent to ${table.node[node]}`);
    if (table.error[error]) lines.push(table.error[error]);
    return lines.join("\n");
  };

  const tips = {
    operations: (axis, plot, x, y, perPx) => {
      let best = null;
      let least = NEAR_PX;
      for (const row of data.operations.rows) {
        const aside = Math.max(row[0] - x, x - row[1], 0) / perPx;
        const away = Math.max(aside, Math.abs(row[2] - y) * 1.5);
        if (away < least) [least, best] = [away, row];
      }
      return best && operation(best);
    },
    latency: (axis, plot, x, y, perPx) => {
      const [low, high] = plot.dataset.limits.split(",").map(Number);
      const height = plot.clientHeight;
      let best = null;
      let least = NEAR_PX;
      for (const row of data.operations.rows) {
        if (row[3] < 0 || Math.abs(row[1] - x) / perPx > least) continue;
        const power = Math.min(Math.max(Math.log10(row[3] || 1e-9), low), high);
        const away = Math.hypot((row[1] - x) / perPx, height * (1 - (power - low) / (high - low)) - y);
        if (away < least) [least, best] = [away, row];
      }
      return best && operation(best);
    },
    accounts: (axis, plot, x) => {
      const rows = data.accounts[plot.dataset.panel] || [];
      let found = null;
      for (const row of rows) {
        if (row[0] > x) break;
        found = row;
      }
      if (!found) return "not registered yet";
      const [, total, used, offered] = found.map((value) => value / 1000);
      const round = (value) => +value.toFixed(3);
      return `used ${round(used)}, offered ${round(offered)}, free ${round(total - used - offered)} of ${round(total)} cpus`;
    },
  };

  const say = (text, event) => {
    tip.textContent = text;
    tip.hidden = false;
    const { width, height } = tip.getBoundingClientRect();
    const left = event.clientX + 16 + width > window.innerWidth ? event.clientX - width - 12 : event.clientX + 16;
    const top = event.clientY + 18 + height > window.innerHeight ? event.clientY - height - 12 : event.clientY + 18;
    tip.style.left = `${Math.max(4, left)}px`;
    tip.style.top = `${Math.max(4, top)}px`;
  };

  const hush = () => {
    tip.hidden = true;
    for (const cross of all(".cross")) cross.hidden = true;
  };

  for (const named of all(".over [title]")) {
    named.dataset.title = named.title;
    named.removeAttribute("title");
  }

  for (const axis of Object.values(axes)) {
    for (const plot of axis.plots) {
      let drag = null;
      const at = (event) => {
        const box = plot.getBoundingClientRect();
        const share = Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1);
        return { x: axis.from + share * (axis.to - axis.from), y: event.clientY - box.top, share, box };
      };
      plot.addEventListener("pointerdown", (event) => {
        if (event.button !== 0) return;
        const selection = document.createElement("div");
        selection.className = "selection";
        plot.append(selection);
        drag = { from: at(event), selection };
        plot.setPointerCapture(event.pointerId);
      });
      plot.addEventListener("pointermove", (event) => {
        const now = at(event);
        for (const other of axis.plots) {
          const cross = other.querySelector(".cross");
          cross.hidden = false;
          cross.style.left = `${now.share * 100}%`;
        }
        if (drag) {
          drag.selection.style.left = `${Math.min(drag.from.share, now.share) * 100}%`;
          drag.selection.style.width = `${Math.abs(drag.from.share - now.share) * 100}%`;
        }
        const perPx = (axis.to - axis.from) / now.box.width;
        const bar = event.target.closest ? event.target.closest("[data-title]") : null;
        const place = axis.name === "index" ? `entry ${Math.round(now.x)}` : `${(now.x / 1000).toFixed(3)} s${wallClock(now.x)}`;
        const known = bar ? bar.dataset.title : (tips[plot.dataset.tip] || (() => null))(axis, plot, now.x, now.y, perPx);
        say(known ? `${known}\n${place}` : place, event);
      });
      const drop = (event) => {
        if (!drag) return;
        const now = at(event);
        drag.selection.remove();
        const [from, to] = [drag.from, now].sort((one, other) => one.share - other.share);
        const isWide = (to.share - from.share) * now.box.width > 5;
        drag = null;
        if (isWide) zoom(axis, from.x, to.x);
      };
      plot.addEventListener("pointerup", drop);
      plot.addEventListener("pointercancel", drop);
      plot.addEventListener("pointerleave", hush);
      plot.addEventListener("dblclick", () => zoom(axis, axis.begin, axis.end));
    }
    show(axis);
  }
  window.addEventListener("resize", () => Object.values(axes).forEach(show));

  for (const button of all("[data-zoom]")) {
    button.addEventListener("click", () => zoom(axes.time, ...button.dataset.zoom.split(",").map(Number)));
  }
  for (const button of all(".jump")) {
    button.addEventListener("click", () => {
      if (!axes.time) return;
      zoom(axes.time, +button.dataset.at - 1500, +button.dataset.at + 1500);
      document.getElementById("plots").scrollIntoView();
    });
  }
  for (const key of all(".key")) {
    key.addEventListener("click", () => {
      const isShown = key.getAttribute("aria-pressed") !== "true";
      key.setAttribute("aria-pressed", `${isShown}`);
      for (const one of all(`.s-${key.dataset.series}`, key.closest("figure"))) {
        one.style.display = isShown ? "" : "none";
      }
    });
  }

  const copy = document.getElementById("copy");
  if (copy) {
    copy.addEventListener("click", async () => {
      const command = document.getElementById("command");
      try {
        await navigator.clipboard.writeText(command.textContent);
        copy.textContent = "Copied";
      } catch {
        // Pages from a disk may be denied the clipboard: mark it, so a key does it.
        window.getSelection().selectAllChildren(command);
        copy.textContent = "Ctrl+C";
      }
      setTimeout(() => { copy.textContent = "Copy"; }, 2000);
    });
  }
})();
