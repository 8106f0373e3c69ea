"""Markdown that wants to run, to fetch or to leave: each payload would raise `pwned`, a dialog or a request."""

FETCH = "http://127.0.0.2:9/x"
"""An address off the origin; whoever asks for it was tricked."""

CODE = "pwned=1,alert(1)"

HTML = [
    f"<script>{CODE}</script>",
    f"<ScRiPt src={FETCH}></ScRiPt>",
    f"<scr<script>ipt>{CODE}</scr</script>ipt>",
    f"<img src=x onerror={CODE}>",
    f"<img src='{FETCH}'>",
    f'<img srcset="{FETCH} 1x" src="{FETCH}">',
    f"<img/src/onerror={CODE}>",
    f"<svg onload={CODE}>",
    f"<svg><script>{CODE}</script></svg>",
    f'<svg><use href="{FETCH}#x"/></svg>',
    f'<svg><image href="{FETCH}"/></svg>',
    f"<svg><animate onbegin={CODE} attributeName=x dur=1s>",
    f'<math><mtext><mglyph><style><img src onerror="{CODE}"></style>',
    f'<iframe src="{FETCH}"></iframe>',
    f'<iframe srcdoc="<script>parent.{CODE}</script>"></iframe>',
    f'<iframe src="javascript:parent.{CODE}"></iframe>',
    f'<object data="{FETCH}"></object>',
    f'<embed src="{FETCH}">',
    f'<link rel=stylesheet href="{FETCH}">',
    f'<link rel=prefetch href="{FETCH}"><link rel=dns-prefetch href="//evil.example">',
    f'<meta http-equiv=refresh content="0;url={FETCH}">',
    f'<base href="{FETCH}">',
    f"<style>@import '{FETCH}';</style>",
    f"<style>* {{ background: url({FETCH}) !important }}</style>",
    f'<p style="background:url({FETCH})">styled</p>',
    f'<body onload="{CODE}" background="{FETCH}">',
    f"<details open ontoggle={CODE}>",
    f"<input autofocus onfocus={CODE}>",
    f"<video><source onerror={CODE} src=x></video>",
    f'<video poster="{FETCH}" src="{FETCH}" autoplay>',
    f'<audio src="{FETCH}" onerror={CODE}>',
    f'<form action="{FETCH}"><button formaction="javascript:{CODE}">Copy</button></form>',
    f'<a href="javascript:{CODE}">a link</a>',
    f"<!--><img src=x onerror={CODE}>-->",
    f"<![CDATA[<img src=x onerror={CODE}>]]>",
    f"<template><script>{CODE}</script></template>",
    f"</p></article></div><script>{CODE}</script>",
    f'<noscript><p title="</noscript><img src=x onerror={CODE}>">',
    f"<xss id=x tabindex=1 onfocus={CODE} onpointerenter={CODE}>hover</xss>",
    f"<marquee onstart={CODE}>",
    "<div id=app></div><a id=message name=message></a>",
    f"\u2028<img src=x onerror={CODE}>\u2029",
    f"<img src=x onerror\u0000={CODE}>",
]

LINKS = [
    f"[click](javascript:{CODE})",
    f"[click](JaVaScRiPt:{CODE})",
    f"[click](java\tscript:{CODE})",
    f"[click](&#106;avascript:{CODE})",
    f"[click](&#x6A&#x61;vascript:{CODE})",
    f"[click](<\x01javascript:{CODE}>)",
    f"[click](javascript&colon;{CODE})",
    f"[click](vbscript:{CODE})",
    f"[click](data:text/html,<script>{CODE}</script>)",
    "[click](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
    f"[click](blob:{FETCH})",
    "[click](file:///etc/passwd)",
    "[click](//evil.example)",
    "[click](/api/session)",
    f'[reference][1]\n\n[1]: javascript:{CODE} "title"',
    f"<javascript:{CODE}>",
    f"<data:text/html,{CODE}>",
    f"[{'[' * 50}deep{']' * 50}](javascript:{CODE})",
    f'[quoted](http://127.0.0.2:9/"onmouseover="{CODE}")',
    f"[quoted](http://127.0.0.2:9/ '\"><img src=x onerror={CODE}>')",
    f"http://127.0.0.2:9/<img/src=x/onerror={CODE}>",
]

IMAGES = [
    f"![inline]({FETCH})",
    f"![reference][2]\n\n[2]: {FETCH}",
    f"[![in a link]({FETCH})]({FETCH})",
    f"![](javascript:{CODE})",
    f"![svg](data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' onload='{CODE}'/>)",
    f'![x" onerror="{CODE}]({FETCH})',
    f"![![nested]({FETCH})]({FETCH} \"' onload='{CODE}\")",
    "![relative](api/session)",
]

BLOCKS = [
    f"```<img src=x onerror={CODE}>\ncode\n```",
    f'```html" onclick="{CODE}\n<script>{CODE}</script>\n```',
    f"```constructor\n<script>{CODE}</script>\n```",
    f"| <img src=x onerror={CODE}> | `<script>{CODE}</script>` |\n|---|---|\n| ![]({FETCH}) | [b](javascript:{CODE}) |",
    f"- [ ] <input autofocus onfocus={CODE}>\n- [x] [done](javascript:{CODE})",
    f"> # <img src=x onerror={CODE}>\n>\n> [^1]: <script>{CODE}</script>",
    f"&lt;script&gt;{CODE}&lt;/script&gt; &#60;img src=x onerror={CODE}&#62;",
    f"$\\href{{javascript:{CODE}}}{{x}}$ $$\\includegraphics{{{FETCH}}}$$",
    f'```mermaid\ngraph TD; A["<img src=x onerror={CODE}>"]; click A "javascript:{CODE}"\n```',
]

PAYLOADS = [*HTML, *LINKS, *IMAGES, *BLOCKS]
