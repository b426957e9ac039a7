/** The look of the report, light and dark. */
const dark = `--bg:#15171b;--card:#1e2126;--ink:#e5e7ec;--soft:#979eab;--rule:#31353d;--good:#4fc487;--bad:#f07b73;--think:#262b3d;--think-ink:#b3bddf;--answer:#1d3a2a;--answer-ink:#a5e5bf;
--c0:#7ba7f5;--c1:#f0a261;--c2:#5fcb96;--c3:#d28be0;--c4:#f07b73;--c5:#9fbccb;--c6:#d9c04d;--c7:#a9aeb8`

/** `data-theme` on the root element overrides what the system prefers. */
export const style = `
:root{color-scheme:light dark;--bg:#f7f7f8;--card:#fff;--ink:#1c1f24;--soft:#676d78;--rule:#e2e4e9;--good:#188a4d;--bad:#c2413b;--think:#eef1fb;--think-ink:#4a5480;--answer:#e2f4e8;--answer-ink:#0d5c30;
--c0:#2b62c9;--c1:#d2691e;--c2:#2a9461;--c3:#a03fb3;--c4:#c2413b;--c5:#5a7a8c;--c6:#a58a00;--c7:#8a8f98}
@media(prefers-color-scheme:dark){:root:not([data-theme=light]){${dark}}}
:root[data-theme=dark]{color-scheme:dark;${dark}}:root[data-theme=light]{color-scheme:light}
*{box-sizing:border-box}
body{margin:0 auto;max-width:1240px;padding:28px 20px 60px;background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
h1{font-size:24px;margin:0}h2{font-size:17px;margin:36px 0 12px}header p{margin:2px 0 18px;color:var(--soft);overflow-wrap:anywhere}
.tiles{display:flex;flex-wrap:wrap;gap:10px}.tiles div{background:var(--card);border:1px solid var(--rule);border-radius:8px;padding:10px 16px;min-width:110px}
.tiles span{display:block;color:var(--soft);font-size:12px}.tiles b{font-size:19px;font-variant-numeric:tabular-nums}
.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,380px),1fr));gap:14px}
.chart{margin:0;background:var(--card);border:1px solid var(--rule);border-radius:8px;padding:12px 14px 10px}
figcaption{font-size:14px;margin-bottom:6px}figcaption span{display:block;min-height:1.5em;color:var(--soft);font-size:12px}
svg{display:block;width:100%;height:auto}svg text{font-size:13.5px;fill:var(--soft);font-variant-numeric:tabular-nums}
.grid{stroke:var(--rule);stroke-width:1}.axis{stroke:var(--soft);stroke-width:1}
.line{fill:none;stroke:var(--c);stroke-width:2;stroke-linejoin:round;stroke-linecap:round}.line.raw{stroke-width:1;opacity:.35}
.dot{fill:var(--c)}.area{fill:var(--c);opacity:.85;stroke:var(--card);stroke-width:.5}.band{fill:var(--c0);background:var(--c0);opacity:.14}
.event{stroke:var(--c);stroke-width:2;stroke-dasharray:5 4}.mark{stroke:var(--soft);stroke-dasharray:5 4}line.strong{stroke:var(--ink)}text.mark{stroke:none;fill:var(--soft)}svg text.broken{fill:var(--bad);font-size:15px;font-weight:700}
.bar{fill:var(--c);opacity:.8}.whisker{fill:none;stroke:var(--ink);stroke-width:1.5}.whisker.own{stroke:var(--c);opacity:.7}.join{fill:none;stroke:var(--soft);stroke-width:1;stroke-dasharray:2 3}
.better{fill:var(--good)}.worse{fill:var(--bad)}svg text.small{font-size:11px;fill:var(--ink);opacity:.75}
svg text.label{fill:var(--ink)}svg text.value{fill:var(--ink);font-weight:600}
.hit rect{fill:transparent}.hit line{stroke:var(--soft);opacity:0}.hit:hover line{opacity:.7}
.c0{--c:var(--c0)}.c1{--c:var(--c1)}.c2{--c:var(--c2)}.c3{--c:var(--c3)}.c4{--c:var(--c4)}.c5{--c:var(--c5)}.c6{--c:var(--c6)}.c7{--c:var(--c7)}
.legend{display:flex;flex-wrap:wrap;gap:2px 14px;margin:6px 0 0;padding:0;list-style:none;font-size:12px;color:var(--soft)}
.legend i{display:inline-block;width:10px;height:10px;border-radius:2px;margin-right:5px;background:var(--c)}.legend i.band{background:var(--c0);opacity:.25}
.sample{background:var(--card);border:1px solid var(--rule);border-radius:8px;margin-bottom:10px}
.sample summary{cursor:pointer;padding:10px 14px;font-size:14px}.sample summary b{display:inline-block;min-width:4.5em}.sample summary span{color:var(--soft);margin:0 4px;overflow-wrap:anywhere}

.sample summary .strip{display:inline-flex;gap:3px;vertical-align:middle;min-width:110px;margin:0 8px}.strip i{width:11px;height:11px;border-radius:2px;background:var(--rule)}.strip .good{background:var(--good)}.strip .bad{background:var(--bad)}
.body{display:grid;grid-template-columns:minmax(180px,260px) minmax(0,1fr);gap:16px;padding:4px 14px 14px}
@media(max-width:720px){.body{grid-template-columns:minmax(0,1fr)}}
.prompt img{max-width:100%;border-radius:6px;border:1px solid var(--rule);margin:0 6px 6px 0;image-rendering:pixelated}
.problem{margin:4px 0;white-space:pre-wrap;overflow-wrap:anywhere;font-weight:600}.source{margin:0;color:var(--soft);font-size:12px;overflow-wrap:anywhere}.truth{margin:4px 0;color:var(--soft);font-size:13px}.truth b{color:var(--ink)}
.missing{display:inline-block;padding:24px 12px;border:1px dashed var(--rule);border-radius:6px;color:var(--soft);font-size:12px}
.completions{display:grid;gap:8px;align-content:start;grid-template-columns:repeat(auto-fill,minmax(min(100%,360px),1fr))}
.completion{border:1px solid var(--rule);border-left:3px solid var(--rule);border-radius:6px;padding:8px 10px;min-width:0}.completion.good{border-left-color:var(--good)}.completion.bad{border-left-color:var(--bad)}
pre{margin:0;white-space:pre-wrap;overflow-wrap:anywhere;font:13px/1.55 ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;max-height:22em;overflow:auto}
.completion p{margin:6px 0 0;font-size:12px;color:var(--soft);display:flex;flex-wrap:wrap;gap:2px 12px}.completion p b{color:var(--ink);font-variant-numeric:tabular-nums}
.think{background:var(--think);color:var(--think-ink);border-radius:3px}.answer{background:var(--answer);color:var(--answer-ink);border-radius:3px;font-weight:600}
.code{font-size:.8em;opacity:.7;border:1px solid var(--rule);border-radius:3px;padding:0 3px}.cut{color:var(--bad)}.more{color:var(--soft);font-size:13px;margin:0}
.tables{display:flex;flex-wrap:wrap;gap:14px;align-items:flex-start}
table{border-collapse:collapse;background:var(--card);border:1px solid var(--rule);border-radius:8px;font-size:14px;font-variant-numeric:tabular-nums}
th,td{padding:5px 14px;text-align:right}th{text-align:left;font-weight:500}tr+tr th,tr+tr td{border-top:1px solid var(--rule)}thead th,thead td{color:var(--soft);font-size:12px;border-bottom:1px solid var(--rule)}
.config{background:var(--card);border:1px solid var(--rule);border-radius:8px;padding:10px 14px}.config summary{cursor:pointer}.config pre{max-height:none;margin-top:8px}
.empty{color:var(--soft)}
`
