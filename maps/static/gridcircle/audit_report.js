/* Sorting of the tables of a report; without it the page only does not sort. */
"use strict";
// What scrolls sideways is reached by the keyboard too; what fits is no stop on the way.
for (const box of document.querySelectorAll(".wide")) if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
for (const table of document.querySelectorAll("table.sortable")) {
  table.querySelectorAll("th button").forEach((button) => {
    const column = [...button.closest("tr").children].indexOf(button.closest("th"));
    let rising = false;
    button.addEventListener("click", () => {
      rising = !rising;
      const value = (row) => {
        const cell = row.children[column];
        return cell.dataset.v === undefined ? cell.textContent : Number(cell.dataset.v);
      };
      const body = table.tBodies[0];
      const rows = [...body.rows].sort((a, b) => {
        const [x, y] = [value(a), value(b)];
        const order = typeof x === "number" ? x - y : x.localeCompare(y, "zh-CN");
        return rising ? order : -order;
      });
      body.append(...rows);
      for (const th of table.querySelectorAll("th")) th.removeAttribute("aria-sort");
      button.closest("th").setAttribute("aria-sort", rising ? "ascending" : "descending");
    });
  });
}
