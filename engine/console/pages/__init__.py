"""The console's pages, one module each.

A module has `routes(site) -> list[Route]`. Those in the navigation also have `TITLE`, `PATH`, `ORDER` (Overview 10,
Events 20, Set aside 30, Playground 40, Destinations 50), `needs_outbox`, and `needs_file` where that must be a file.
`QUESTIONS` are paths whose POST only asks, such as a preview; any other POST is a change, which a read-only console
refuses and which the page tells the log with `security.audit`. Handlers get what they need from the request:

    rendering.page(request, "events.html", events=...)          a page; its templates have `csrf`, `nonce`, `read_only`
    streams.stream(request, messages)                           a stream of server-sent events
    request.state.form                                          the form of a POST, None if there is none
    request.state.session                                       who is signed in
    security.audit(request, "resumed", connection="shop")       the change, for its line in the log
    raise HTTPException(404, "What is wrong, and what to do.")  an error page
"""
