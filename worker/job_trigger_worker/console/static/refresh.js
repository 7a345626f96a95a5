// Fetches the parts of a page that change anew, while somebody looks at it.
"use strict";

const EVERY_MS = 5000;

async function refresh(part) {
  const isUsed = part.contains(document.activeElement) || document.getSelection().type === "Range";
  if (document.hidden || isUsed) return;
  try {
    const answer = await fetch(part.dataset.refresh, { credentials: "same-origin" });
    // Signed out: the answer is another page, and this one stays as it is.
    if (answer.ok && !answer.redirected) part.innerHTML = await answer.text();
  } catch {
    // Away for a moment; the next turn asks again.
  }
}

for (const part of document.querySelectorAll("[data-refresh]")) {
  setInterval(() => refresh(part), EVERY_MS);
}
