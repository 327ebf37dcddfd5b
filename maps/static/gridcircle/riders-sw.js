/* Keeps what a rider has looked at: pages from the service when it answers, else the copy. */
"use strict";

const KEPT = "riders-1";
const WAIT_MS = 6000;
const PHOTO = /^\/s\/[^/]+\/photos\/[0-9a-f]+\.webp$/; // its name changes with its bytes

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => {
  event.waitUntil(
    (async () => {
      for (const name of await caches.keys()) if (name.startsWith("riders-") && name !== KEPT) await caches.delete(name);
      await self.clients.claim();
      // What the first page was made of was loaded before this worker took over.
      for (const client of await self.clients.matchAll()) await keepPage(client.url);
    })(),
  );
});

async function keepPage(url) {
  try {
    const answer = await fetch(url);
    if (!answer.ok) return;
    const cache = await caches.open(KEPT);
    await cache.put(url, answer.clone());
    const parts = (await answer.text()).matchAll(/(?:href|src)="(\/static\/[^"]+)"/g);
    await Promise.all(
      [...parts].map(async ([, part]) => {
        if (!(await cache.match(part))) await cache.add(part);
      }),
    );
  } catch {
    /* Off line: there is nothing to keep. */
  }
}

self.addEventListener("fetch", (event) => {
  const request = event.request;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== self.location.origin) return;
  if (url.pathname.startsWith("/static/") || PHOTO.test(url.pathname)) event.respondWith(fromCopy(request));
  else if (request.mode === "navigate") event.respondWith(fromService(request));
});

async function fromCopy(request) {
  const cache = await caches.open(KEPT);
  const kept = await cache.match(request);
  if (kept) return kept;
  const answer = await fetch(request);
  if (answer.ok && (request.url.includes("v=") || PHOTO.test(new URL(request.url).pathname))) await cache.put(request, answer.clone());
  return answer;
}

async function fromService(request) {
  const cache = await caches.open(KEPT);
  try {
    // A network that hangs is no better than none.
    const late = new Promise((_, fail) => setTimeout(() => fail(new Error("late")), WAIT_MS));
    const answer = await Promise.race([fetch(request), late]);
    if (answer.ok) await cache.put(request, answer.clone());
    else if (answer.status === 404) await cache.delete(request); // taken down: send nobody there
    return answer;
  } catch (error) {
    const kept = (await cache.match(request)) || (await cache.match(request, { ignoreSearch: true }));
    if (kept) return kept;
    throw error;
  }
}
