/**
 * What keeps the status page fresh: it fetches the page itself and puts the parts that differ in the place of the old
 * ones, so that there is one renderer, on the server. It waits while nobody looks or somebody selects text.
 */
export const STATUS_SCRIPT = `'use strict';
const PERIOD_MS = 2000;
const PATIENCE_MS = 5000;
const live = document.getElementById('live');

function tell(text, isStale) {
  // Saying the same again would make a screen reader say it again.
  if (live.textContent === text) return;
  live.textContent = text;
  live.classList.toggle('stale', isStale);
}

function update(fresh) {
  document.title = fresh.title;
  for (const next of fresh.querySelectorAll('#facts, #services, main > section')) {
    const old = document.getElementById(next.id);
    if (old === null || old.isEqualNode(next)) continue;
    const focused = old.contains(document.activeElement) ? document.activeElement.id : '';
    old.replaceWith(document.adoptNode(next));
    if (focused !== '') document.getElementById(focused)?.focus({ preventScroll: true });
  }
}

async function refresh() {
  const response = await fetch('./', { cache: 'no-store', signal: AbortSignal.timeout(PATIENCE_MS) });
  if (!response.ok) throw new Error('it answered ' + response.status);
  update(new DOMParser().parseFromString(await response.text(), 'text/html'));
}

async function run() {
  const isSelecting = getSelection()?.isCollapsed === false;
  if (!document.hidden && !isSelecting) {
    try {
      await refresh();
      tell('Live: renewed every ' + PERIOD_MS / 1000 + ' seconds.', false);
    } catch (error) {
      tell('The gateway cannot be asked, and what is shown is old: ' + error.message, true);
    }
  }
  setTimeout(run, PERIOD_MS);
}

run();
`;
