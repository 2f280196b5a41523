"""Style sheet and script of the page of `qlit report`."""

STYLE = """
:root{--ink:#1d2125;--paper:#fff;--muted:#5c6670;--grid:#d4d9de;--card:#f4f6f8;--s0:#0072b2;--s1:#b84e00;--s2:#00785a;
--s3:#a8477f;--warn:#7a4b00}
@media (prefers-color-scheme:dark){:root{--ink:#e6e9ec;--paper:#14181c;--muted:#a3adb6;--grid:#3a434c;--card:#1d2329;
--s0:#56b4e9;--s1:#f0894a;--s2:#3fcf9f;--s3:#e5a0c8;--warn:#f0c674}}
@media print{:root{--ink:#000;--paper:#fff;--muted:#444;--grid:#bbb;--card:#fff;--s0:#0072b2;--s1:#b84e00;--s2:#00785a;
--s3:#a8477f;--warn:#000}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 system-ui,"Segoe UI",Roboto,sans-serif}
main{max-width:66rem;margin:0 auto;padding:1.5rem 1.25rem 4rem}
h1{font-size:1.7rem;line-height:1.25;margin:.5rem 0 1rem}
h2{font-size:1.25rem;margin:3rem 0 .5rem;padding-top:1rem;border-top:1px solid var(--grid)}
.facts,.remark{color:var(--muted);font-size:.88rem}
.wide{overflow-x:auto;margin:1rem 0}
table{border-collapse:collapse;font-size:.86rem;font-variant-numeric:tabular-nums;width:100%}
th,td{padding:.35rem .6rem;border-bottom:1px solid var(--grid);text-align:right;vertical-align:top}
th{font-weight:600;border-bottom:1px solid var(--muted)}
th:first-child,td:first-child,.left{text-align:left}
td:first-child{min-width:9rem}td:nth-child(-n+5):not(:first-child,.missing){white-space:nowrap}
td.left{min-width:13rem}small{color:var(--muted);overflow-wrap:anywhere}
td.missing{color:var(--warn);font-style:italic;text-align:left}
code{font:.84rem/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;background:var(--card);padding:.1rem .3rem;
border-radius:3px;overflow-wrap:anywhere}
pre{background:var(--card);padding:.6rem .8rem;margin:.4rem 0;border-radius:4px;overflow-x:auto}
pre code{padding:0;background:none;white-space:pre-wrap}
ol{padding-left:1.4rem}li{margin:.6rem 0}
a{color:var(--s0)}
summary{cursor:pointer;padding:.3rem 0}
.picture{margin:1rem 0;color:var(--ink)}
.picture svg{max-width:100%;height:auto;display:block;margin:0 auto}
.picture text{fill:currentColor}
.interactive{display:none}
.js .interactive{display:block}
.js .interactive+.picture{display:none}
@media print{body{font-size:10pt}main{max-width:none;padding:0}
.js .interactive,details{display:none}.js .interactive+.picture{display:block}
h2{break-after:avoid}.picture,tr,pre{break-inside:avoid}.wide{overflow:visible}table{font-size:8pt}code{font-size:7pt}
td,th{padding:.2rem .35rem}td.left{min-width:0}}
"""

SCRIPT = """
(function () {
  var root = document.documentElement, dark = matchMedia("(prefers-color-scheme: dark)");
  root.classList.add("js");
  function coloured(text) {
    var style = getComputedStyle(root);
    return JSON.parse(text.replace(/@(ink|muted|grid|s[0-3])/g, function (_, name) {
      return style.getPropertyValue("--" + name).trim();
    }));
  }
  function draw() {
    document.querySelectorAll(".interactive").forEach(function (place) {
      var figure = coloured(place.querySelector("script").textContent);
      Plotly.react(place.querySelector("div"), figure.data, figure.layout,
        {responsive: true, displaylogo: false, modeBarButtonsToRemove: ["lasso2d", "select2d"]});
    });
  }
  draw();
  dark.addEventListener("change", draw);
})();
"""
