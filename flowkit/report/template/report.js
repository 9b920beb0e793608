"use strict";
// Tables sort by a click on a heading and filter by text; the contents list closes on a phone and marks where one is.
(() => {
  const value = (cell) => {
    const text = cell.dataset.v ?? cell.textContent.trim();
    const number = Number(text.replace(/,/g, ""));
    return text !== "" && !Number.isNaN(number) ? number : text;
  };
  const compare = (a, b) =>
    typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });

  const sortable = (table) => {
    const body = table.tBodies[0];
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") !== "descending" && head.classList.contains("fk-n")
          ? true : head.getAttribute("aria-sort") === "ascending";
        for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const rows = [...body.rows].map((row, place) => ({ row, place, key: value(row.cells[column]) }));
        rows.sort((a, b) => (down ? -1 : 1) * compare(a.key, b.key) || a.place - b.place);
        body.append(...rows.map((entry) => entry.row));
      });
    });
  };

  const filterable = (table, number) => {
    const rows = [...table.tBodies[0].rows];
    const tools = document.createElement("div");
    const label = document.createElement("label");
    const input = document.createElement("input");
    const count = document.createElement("span");
    tools.className = "fk-tools";
    input.type = "search";
    input.id = `filter-${number}`;
    label.htmlFor = input.id;
    label.textContent = "Filter rows";
    count.setAttribute("role", "status");
    tools.append(label, input, count);
    table.closest(".fk-scroll").before(tools);
    input.addEventListener("input", () => {
      const wanted = input.value.trim().toLowerCase();
      let seen = 0;
      for (const row of rows) {
        row.hidden = wanted !== "" && !row.textContent.toLowerCase().includes(wanted);
        seen += row.hidden ? 0 : 1;
      }
      count.textContent = wanted ? `${seen} of ${rows.length} rows` : "";
    });
  };

  document.querySelectorAll(".fk-table table").forEach((table, number) => {
    const rows = table.tBodies[0].rows.length;
    if (rows > 1) sortable(table);
    if (rows > 10) filterable(table, number);
  });

  // A call to copy: by the clipboard where the page may use it, else by selecting it and the old command.
  const copy = async (code) => {
    try {
      await navigator.clipboard.writeText(code.textContent);
      return true;
    } catch {
      getSelection().selectAllChildren(code);
      return document.execCommand("copy");
    }
  };
  for (const call of document.querySelectorAll(".fk-call")) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Copy";
    button.setAttribute("aria-live", "polite");
    button.addEventListener("click", async () => {
      button.textContent = (await copy(call.querySelector("code"))) ? "Copied" : "Press Ctrl+C";
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    });
    call.append(button);
  }

  const reveal = () => {
    const target = location.hash ? document.getElementById(decodeURIComponent(location.hash.slice(1))) : null;
    const fold = target?.querySelector(":scope > details");
    if (fold) fold.open = true;
  };
  addEventListener("hashchange", reveal);
  reveal();

  const contents = document.querySelector(".contents details");
  if (contents && matchMedia("(max-width: 900px)").matches) contents.open = false;
  const links = new Map([...document.querySelectorAll(".contents a")].map((link) => [link.hash.slice(1), link]));
  const watch = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      for (const link of links.values()) link.removeAttribute("aria-current");
      links.get(entry.target.id)?.setAttribute("aria-current", "true");
    }
  }, { rootMargin: "0px 0px -75% 0px" });
  for (const section of document.querySelectorAll("main > section")) watch.observe(section);
})();
