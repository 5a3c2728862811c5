"use strict";

// Sorting and filtering of tables; the page is complete without either.

const number = (cell) => {
  const value = cell.dataset.value;
  return value === undefined || value === "" || value === "nan" ? null : Number(value);
};

const compare = (index, text, sign) => (first, second) => {
  const [a, b] = [first.cells[index], second.cells[index]];
  if (text) return sign * a.textContent.trim().localeCompare(b.textContent.trim(), "en", { numeric: true });
  const [x, y] = [number(a), number(b)];
  if (x === null || y === null) return (x === null) - (y === null);
  return sign * (x - y);
};

const sort = (header) => {
  const table = header.closest("table");
  const text = header.dataset.sort === "text";
  const first = text || header.dataset.sort === "low" ? "ascending" : "descending";
  const other = first === "ascending" ? "descending" : "ascending";
  const order = header.getAttribute("aria-sort") === first ? other : first;
  for (const cell of table.tHead.querySelectorAll("[aria-sort]")) cell.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", order);
  const body = table.tBodies[0];
  const sign = order === "ascending" ? 1 : -1;
  body.append(...[...body.rows].sort(compare(header.cellIndex, text, sign)));
  const status = document.getElementById("status");
  status.textContent = `Sorted by ${header.querySelector("button").textContent.trim()}, ${order}.`;
};

for (const button of document.querySelectorAll("table.sortable thead button")) {
  button.addEventListener("click", () => sort(button.closest("th")));
}

for (const input of document.querySelectorAll(".filter input")) {
  const rows = [...document.getElementById(input.dataset.table).tBodies[0].rows];
  input.closest(".filter").hidden = false;
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of rows) {
      const label = row.cells[0].textContent.toLowerCase();
      row.hidden = !words.every((word) => label.includes(word));
    }
    const shown = rows.filter((row) => !row.hidden).length;
    input.closest(".filter").querySelector("output").textContent = `${shown} of ${rows.length}`;
  });
}

window.addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details")) details.open = true;
});
