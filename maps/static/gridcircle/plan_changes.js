/* What others change in a plan: asked for every second and a half, so that it shows within two. */
"use strict";

/**
 * Follow the changes of a plan. Asking again and again instead of one long answer: browsers allow
 * six connections to a host, and six open editors would use up all of them.
 *
 * @param {number} plan id
 * @param {number} from the last change known
 * @param {(changes: object[]) => void} onchange called with those of others, oldest first
 */
GridcirclePlan.follow = function (plan, from, onchange) {
  const EVERY_MS = 1500;
  const own = new Set();
  const seen = new Set(); // an edit may be told twice
  let seq = from;
  let pausedSince = 0; // while a write of this page is under way its number is not known yet
  async function look() {
    if (!pausedSince && !document.hidden) {
      try {
        const told = await GridcirclePlan.ask(plan, `/changes?after=${seq}`);
        if (!pausedSince) {
          const fresh = told.changes.filter((change) => !own.has(change.seq) && !seen.has(change.seq));
          for (const change of told.changes) seen.add(change.seq);
          seq = told.seq;
          if (fresh.length) onchange(fresh);
        }
      } catch {
        // Whoever writes next is told what is wrong; the next look may find the service again.
      }
    }
    setTimeout(look, EVERY_MS);
  }
  setTimeout(look, EVERY_MS);
  return {
    /** Run a write of this page; its changes are not told as somebody else's. */
    async writing(task) {
      pausedSince += 1;
      try {
        const answer = await task();
        for (const one of [answer, ...(answer?.edits || [])]) {
          if (typeof one?.edit === "number") own.add(one.edit);
        }
        return answer;
      } finally {
        pausedSince -= 1;
      }
    },
  };
};
