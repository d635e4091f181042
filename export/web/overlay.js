/** Boxes with labels over a picture or a video. */

const SVG = "http://www.w3.org/2000/svg";

/**
 * @param {SVGElement} svg lies over the whole picture.
 * @param {{width: number, height: number}} picture in pixels.
 * @param {{x: number, y: number, width: number, height: number, text: string, gender: string}[]} boxes
 */
export function drawBoxes(svg, picture, boxes) {
  const { width, height } = picture;
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const longest = Math.max(width, height);
  svg.replaceChildren(
    ...boxes.map((box) => {
      // of many small faces the labels would lie on one another
      const size = Math.max(longest / 70, Math.min(longest / 26, box.width / 5));
      const group = make("g", { class: box.gender });
      const low = box.y > 1.4 * size;
      const ground = { x: box.x, y: low ? box.y - 1.4 * size : box.y, width: size * 0.63 * (box.text.length + 1) };
      const text = make("text", { x: box.x + size * 0.35, y: ground.y + size, "font-size": size });
      text.textContent = box.text;
      group.append(
        make("rect", { x: box.x, y: box.y, width: box.width, height: box.height, "stroke-width": size / 8 }),
        make("rect", { ...ground, height: 1.4 * size, class: "ground" }),
        text,
      );
      return group;
    }),
  );
}

/** Returns an empty drawing to lie over a picture. */
export function makeOverlay() {
  return make("svg", { class: "overlay", "aria-hidden": "true" });
}

function make(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}
