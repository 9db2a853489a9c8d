"""The look of a report's page: wide tables scroll by themselves, so that a phone never has to."""

STYLE = """
:root{color-scheme:light dark;--ink:#1c2024;--dim:#5f6b76;--line:#d9dee3;--back:#fff;--won:#1d7a45;--lost:#b3293d}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ec;--dim:#9aa5af;--line:#343b42;--back:#15181b;
--won:#5fd08f;--lost:#f2818f}}
body{margin:0;background:var(--back);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{max-width:62rem;margin:0 auto;padding:1rem}
h1{font-size:1.4rem;line-height:1.25}h2{font-size:1.1rem;margin:2rem 0 .5rem}
.lead{font-size:1.1rem}.warn{border-left:4px solid #e0a800;padding-left:.6rem}
small,.dim{color:var(--dim);white-space:nowrap}
.wide{overflow-x:auto;margin:.5rem 0}
table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums}
th,td{padding:.25rem .6rem;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
tbody th{font-weight:400}th:first-child{text-align:left;max-width:16rem;overflow:hidden;text-overflow:ellipsis}
tbody th:first-child{position:sticky;left:0;background:var(--back)}
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,24rem),1fr));gap:1rem}
figure{margin:0}svg{width:100%;height:auto;max-width:40rem}svg text{font-family:system-ui,sans-serif!important}
.won{color:var(--won)}.lost{color:var(--lost)}.tied{color:var(--dim)}summary{cursor:pointer}
@media(max-width:32rem){th,td{padding:.25rem .35rem}table{font-size:.82rem}th:first-child{max-width:9rem}}
"""

DRAWING_STYLE = "figure{background:#fff;border-radius:6px}svg{max-width:52rem}"
"""Beside STYLE, for a page with a drawing in ink of its own."""
