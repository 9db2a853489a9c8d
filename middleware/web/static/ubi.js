// User Behavior Insights: what a shop's visitor sees and does, sent in batches to the proxy that searches for them.
// Served without comments and indentation. One letter: w window, d document, s settings, q queue, o observer.
((w, d, n) => {
  var script = d.currentScript, q = [], timer = 0, memory = {}, timers = new WeakMap(), o;
  var s = {
    endpoint: (script ? script.src.replace(/ubi\.js.*$/, '') : '/_rerank/') + 'events',
    batch: 20, wait_ms: 2000, most: 500, session_ms: 1800000, view_ms: 500
  };
  function id() {
    return Array.from(crypto.getRandomValues(new Uint8Array(16)), b => (b + 256).toString(16).slice(1)).join('');
  }
  // Without consent nothing is kept, and what was kept goes.
  function allowed() {
    try { return !n.globalPrivacyControl && (!s.consent || !!s.consent()); } catch (e) { return false; }
  }
  function get(name) {
    try { return JSON.parse(localStorage.getItem('ubi.' + name)) || memory[name]; } catch (e) { return memory[name]; }
  }
  function put(name, value) {
    memory[name] = value;
    try { localStorage.setItem('ubi.' + name, JSON.stringify(value)); } catch (e) {}
  }
  function forget() {
    memory = {}; q = []; timer = clearTimeout(timer);
    try { localStorage.removeItem('ubi.client'); localStorage.removeItem('ubi.session'); } catch (e) {}
  }
  function client() {
    if (!allowed()) { forget(); return ''; }
    var value = get('client') || id();
    put('client', value);
    return value;
  }
  function session() {
    if (!client()) return '';
    var value = get('session'), now = Date.now();
    value = value && now - value.at < s.session_ms ? value.id : id();
    put('session', { id: value, at: now });
    return value;
  }
  function track(action, what) {
    if (!client()) return '';
    var attributes = {}, event = {
      event_id: id(), action_name: action, client_id: client(), session_id: session(),
      application: s.application, timestamp: new Date().toISOString(), event_attributes: attributes
    };
    Object.entries(what || {}).forEach(([name, value]) => {
      if (value == null || value === '') return;
      if (/^object_id/.test(name)) (attributes.object = attributes.object || {})[name] = '' + value;
      else if (name == 'position') attributes.position = { ordinal: +value };
      else if (/^(query_id|user_query|message|message_type)$/.test(name)) event[name] = '' + value;
      else attributes[name] = value;
    });
    q.push(event);
    q = q.slice(-s.most);
    q.length < s.batch ? later(s.wait_ms) : flush();
    return event.event_id;
  }
  function later(ms) { timer = timer || setTimeout(flush, ms); }
  function flush() {
    timer = clearTimeout(timer);
    if (!allowed()) return forget();
    while (q.length) send(q.splice(0, s.batch));
  }
  function send(events) {
    var body = events.map(e => JSON.stringify(e)).join('\n');
    try { if (n.sendBeacon(s.endpoint, body)) return; } catch (e) {}
    function again() { q = events.concat(q).slice(-s.most); later(1e4); }
    fetch(s.endpoint, { method: 'POST', body: body, keepalive: true }).then(
      answer => { if (answer.status == 429 || answer.status > 499) again(); }, again);
  }
  // An element says itself what its own attributes leave out, else the nearest around it.
  function act(element, kind) {
    var what = {}, at = element;
    for (; at; at = at.parentElement) Array.from(at.attributes).forEach(each => {
      var name = each.name.slice(9).replace(/-/g, '_');
      if (/^data-ubi-(?!click$|view$)/.test(each.name) && !(name in what)) what[name] = each.value;
    });
    track(element.getAttribute('data-ubi-' + kind) || kind, what);
  }
  function watch() {
    d.querySelectorAll('[data-ubi-view]').forEach(element => {
      if (o && !timers.has(element)) { timers.set(element, 0); o.observe(element); }
    });
  }
  d.addEventListener('click', e => {
    var element = e.target.closest && e.target.closest('[data-ubi-click]');
    if (element) act(element, 'click');
  }, true);
  if (w.IntersectionObserver) o = new IntersectionObserver(entries => {
    entries.forEach(entry => {
      var element = entry.target;
      clearTimeout(timers.get(element));
      if (entry.isIntersecting) timers.set(element, setTimeout(() => {
        o.unobserve(element);
        act(element, 'view');
      }, s.view_ms));
    });
  }, { threshold: 0.5 });
  d.addEventListener('visibilitychange', () => d.hidden && flush());
  w.addEventListener('pagehide', flush);
  new MutationObserver(watch).observe(d, { childList: true, subtree: true });
  watch();
  w.ubi = {
    configure: given => Object.assign(s, given),
    track: track, flush: flush, forget: forget, client_id: client, session_id: session
  };
})(window, document, navigator);
