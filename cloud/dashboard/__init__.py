"""The hub's third door: operators in a browser, at `/dashboard`.

    routes     every address on one screen
    screen     what all pages share: who is there, what they may, how a page is filled and refused
    room       all of it, as the entrance starts and stops it
    rooms      the services that pages call
    pages/     Tornado templates; `_name.html` are parts of pages, which are also fetched alone
    assets/    our style and our script; libraries lie in `vendor/`, put there from the npm registry by `make assets`
    static     serves both under names with a hash of what is in them
    texts/     every sentence, in English, Russian and Kazakh

The other modules are handlers, one for each subject. A page is whole without a script; with one, parts of it are
fetched again (htmx) and charts are drawn (uPlot). It calls services of the floors below and is called by none; what
it shows of bodies is masked, what it shows at all is escaped. The doors `web` and `bot` know nothing of it.
"""
