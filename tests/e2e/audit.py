"""A look at every element that a page ever shows: whether it is one of ours, and has nothing that runs or fetches."""

from e2e.visitor import Visitor

LOOK = """() => {
    if (top !== window) return;
    const page = new Set(('A ARTICLE ASIDE BDI BLOCKQUOTE BR BUTTON CODE DEL DETAILS DIALOG DIV EM FIGCAPTION FIGURE '
        + 'FIELDSET FOOTER FORM H1 H2 H3 H4 H5 H6 HEADER HR I IMG INPUT KBD LABEL LEGEND LI MAIN MARK NAV OL '
        + 'OPTION P PATH PRE RECT SECTION SELECT SPAN STRONG SUMMARY SUP SVG TABLE TBODY TD TEXTAREA TH THEAD TR '
        + 'UL').split(' '));
    const formula = new Set(('ANNOTATION LINE MATH MENCLOSE MFRAC MI MN MO MOVER MPADDED MPHANTOM MROOT MROW MSPACE '
        + 'MSQRT MSTYLE MSUB MSUBSUP MSUP MTABLE MTD MTEXT MTR MUNDER MUNDEROVER SEMANTICS').split(' '));
    const seen = new Set();

    function frame(element) {
        const ours = element.src === new URL('diagram', document.baseURI).href;
        return element.tagName === 'IFRAME' && ours && element.getAttribute('sandbox') === 'allow-scripts';
    }

    function lookAt(element) {
        const drawn = element.closest('.katex');
        const tag = element.tagName.toUpperCase();
        if (!page.has(tag) && !(drawn && formula.has(tag)) && !frame(element)) {
            seen.add(element.outerHTML.slice(0, 200));
        }
        for (const { name, value } of element.attributes) {
            const active = name.startsWith('on') || name === 'srcdoc' || name === 'formaction' || name === 'ping';
            const grown = tag === 'TEXTAREA' || tag === 'IFRAME' || (drawn && !value.includes('url('));
            const kept = tag === 'P' && /^height: [0-9.]+px;$/.test(value);
            const style = name === 'style' && !grown && !kept;
            const address = ['href', 'src', 'srcset', 'action', 'poster', 'data', 'xlink:href'].includes(name);
            const { protocol, origin } = new URL(address ? value : '', document.baseURI);
            const odd = !['http:', 'https:', 'mailto:'].includes(protocol);
            const foreign = name !== 'href' && origin !== location.origin;
            const open = name === 'href' && origin !== location.origin
                && (element.target !== '_blank' || !/noopener noreferrer/.test(element.rel));
            if (active || style || odd || foreign || open) seen.add(`${tag} ${name}=${value}`.slice(0, 300));
        }
    }

    function lookInto(node) {
        if (!(node instanceof Element) || !node.closest('#app')) return;
        if (node.id !== 'app') lookAt(node);
        node.querySelectorAll('*').forEach(lookAt);
    }

    new MutationObserver((records) => {
        for (const { target, attributeName, addedNodes } of records) {
            if (attributeName !== null && target.id !== 'app' && target.closest('#app')) lookAt(target);
            addedNodes.forEach(lookInto);
        }
    }).observe(document, { subtree: true, childList: true, attributes: true });

    window.audit = () => {
        document.querySelectorAll('#app').forEach(lookInto);
        if (window.pwned !== undefined) seen.add('pwned');
        if ({}.pwned !== undefined) seen.add('a prototype was changed');
        if (document.querySelectorAll('#app, #message').length !== 2) seen.add('an id was taken over');
        if (document.documentElement.scrollWidth > innerWidth) seen.add('the page has become wider than its window');
        return [...seen];
    };
}"""
"""Looks at what joins the document or changes in it, from the start; `audit` tells what should not be there."""

INSIDE = """() => {
    const active = 'script, iframe, img, image, object, embed, link, video, audio, form, base';
    const bad = [...document.body.querySelectorAll(active)].map((found) => found.outerHTML);
    for (const element of document.body.querySelectorAll('*')) {
        for (const { name, value } of element.attributes) {
            if (name.startsWith('on') || /javascript:/i.test(value)) bad.push(`${name}=${value}`);
        }
    }
    return window.pwned === undefined ? bad : [...bad, 'pwned'];
}"""
"""The same for the frame that a diagram is drawn in."""


async def look(person: Visitor) -> list[str]:
    """What was ever shown in this document that should not be."""
    found: list[str] = await person.page.evaluate("audit()")
    return found


async def nothing_happened(person: Visitor) -> None:
    assert await look(person) == []
    assert person.watch.seen == []


READ = """async () => {
    const view = document.querySelector('.viewport');
    const isUndrawnInView = (element) => {
        const { top, bottom } = element.getBoundingClientRect();
        return bottom > 0 && top < innerHeight;
    };
    const questions = new Set();
    view.scrollTop = view.scrollHeight;
    for (;;) {
        do await new Promise(requestAnimationFrame);
        while ([...view.querySelectorAll('p[style]')].some(isUndrawnInView));
        document.querySelectorAll('article[aria-label=You] p').forEach((found) => questions.add(found.textContent));
        document.querySelectorAll('details:not([open]) > summary').forEach((summary) => summary.click());
        if (view.scrollTop === 0) return [...questions];
        view.scrollBy(0, -view.clientHeight / 2);
    }
}"""
"""Only what is near the view is drawn; what was unfolded stays."""


async def read_to_the_beginning(person: Visitor) -> set[str]:
    """Go from the end of a conversation to its first message, unfold all, and give the questions that were shown."""
    return set(await person.page.evaluate(READ))


async def touch_everything(person: Visitor) -> None:
    """Hover and focus whatever could react to it."""
    await person.page.evaluate("""async () => {
        for (const element of document.querySelectorAll('article *')) {
            for (const type of ['pointerenter', 'mouseover', 'focus']) element.dispatchEvent(new Event(type));
        }
        await new Promise((resolve) => requestAnimationFrame(resolve));
    }""")
