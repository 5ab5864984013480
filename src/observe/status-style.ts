/** The style of the status page: for a wall, a desk and a phone, by day and by night. */
export const STATUS_STYLE = `:root {
  color-scheme: light dark;
  --ground: #f6f7f9; --card: #fff; --line: #d9dee5; --ink: #1b2430; --soft: #566273;
  --good: #166a34; --warn: #8a5300; --bad: #b3202a; --link: #0b5cad;
  --good-ground: #dff3e5; --warn-ground: #fbeccf; --bad-ground: #fbe0e2; --rest-ground: #e4e8ee;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #11161d; --card: #19202a; --line: #303a48; --ink: #e4e9f0; --soft: #a3afbf;
    --good: #7fdc9c; --warn: #f2c063; --bad: #ff9a9f; --link: #82bbff;
    --good-ground: #163522; --warn-ground: #3b2c0d; --bad-ground: #471a1e; --rest-ground: #2b3543;
  }
}
* { box-sizing: border-box }
body {
  margin: 0 auto; max-width: 84rem; padding: 1rem; background: var(--ground); color: var(--ink);
  font: 15px/1.45 system-ui, sans-serif; overflow-wrap: anywhere;
}
header { display: flex; flex-wrap: wrap; align-items: baseline; gap: .25rem 1rem; margin-bottom: 1rem }
h1 { font-size: 1.5rem; margin: 0 }
header p { margin: 0; color: var(--soft) }
nav { flex-basis: 100% }
nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; list-style: none; margin: .25rem 0 0; padding: 0 }
a { color: var(--link) }
a:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; border-radius: 2px }
[tabindex]:focus { outline: none }
.skip { position: absolute; left: -100vw }
.skip:focus { position: static }
section {
  background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .75rem 1rem; margin-bottom: 1rem;
  scroll-margin-top: 1rem;
}
h2 { font-size: 1.15rem; margin: 0 0 .5rem }
small { color: var(--soft); font-weight: 400 }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: .5rem; margin: 0 0 1rem }
.tiles div { background: var(--ground); border-radius: .35rem; padding: .4rem .6rem }
dt { color: var(--soft); font-size: .85rem }
dd { margin: 0; font-size: 1.25rem; font-variant-numeric: tabular-nums }
section > p { margin: 0; color: var(--soft) }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 28rem), 1fr)); gap: 0 2.5rem; align-items: start }
table { border-collapse: collapse; width: 100%; margin-bottom: .75rem }
caption { color: var(--soft); text-align: left; font-weight: 600; padding: .25rem 0 }
th { color: var(--soft); font-weight: 500; font-size: .85rem }
th, td { text-align: left; vertical-align: top; padding: .3rem .75rem .3rem 0; border-top: 1px solid var(--line) }
.number { text-align: right; font-variant-numeric: tabular-nums }
.state { display: inline-block; padding: 0 .5rem; border-radius: 1rem; font-weight: 600; background: var(--rest-ground) }
.up, .ready { color: var(--good); background: var(--good-ground) }
.down, .ejected { color: var(--bad); background: var(--bad-ground) }
.drain, .maint, .draining, .starting { color: var(--warn); background: var(--warn-ground) }
.warn { color: var(--warn) }
.bad, .stale { color: var(--bad) }
@media (max-width: 45rem) {
  .wide thead { display: none }
  .wide, .wide caption, .wide tbody, .wide tr, .wide td { display: block }
  .wide tr { border-top: 1px solid var(--line); padding: .4rem 0 }
  .wide td { display: grid; grid-template-columns: 8.5rem 1fr; gap: .5rem; border: 0; padding: .1rem 0; text-align: left }
  .wide td::before { content: attr(data-title); color: var(--soft) }
  .wide td .state { justify-self: start }
}
`;
