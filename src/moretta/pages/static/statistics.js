// Fetches the same page again every ten seconds and shows what changed. It sends nothing but that request.
"use strict";

async function renew() {
  const answer = await fetch(location.href, { credentials: "same-origin" });
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const now = document.getElementById("main");
  const next = page.getElementById("main");
  if (next && now.innerHTML !== next.innerHTML) now.replaceChildren(...next.childNodes);
}

setInterval(() => {
  if (!document.hidden) renew().catch(() => undefined);
}, 10000);
