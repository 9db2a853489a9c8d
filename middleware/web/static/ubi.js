// User Behavior Insights: what a shop's visitor sees and does, sent in batches to the proxy that searches for them.
(function (w, d) {
  'use strict';
  var script = d.currentScript, base = script ? script.src.replace(/ubi\.js.*$/, '') : '/_rerank/';
  var settings = {
    endpoint: base + 'events', application: '', consent: null, batch: 20, wait_ms: 2000, most: 500,
    session_ms: 1800000, view_ms: 500
  };
  var queue = [], timer = 0, memory = {}, seen = new WeakMap(), watched = new WeakSet(), observer;

  function id() {
    if (w.crypto && crypto.randomUUID) return crypto.randomUUID();
    var bytes = crypto.getRandomValues(new Uint8Array(16));
    return Array.prototype.map.call(bytes, function (b) { return (b + 256).toString(16).slice(1); }).join('');
  }
  function allowed() {
    if (navigator.globalPrivacyControl) return false;
    try { return settings.consent ? !!settings.consent() : true; } catch (e) { return false; }
  }
  function get(name) {
    try { return JSON.parse(localStorage.getItem('ubi.' + name)) || memory[name]; } catch (e) { return memory[name]; }
  }
  function put(name, value) {
    memory[name] = value;
    try { localStorage.setItem('ubi.' + name, JSON.stringify(value)); } catch (e) { /* memory has it */ }
  }
  function forget() {
    memory = {}; queue = []; clearTimeout(timer); timer = 0;
    try { ['client', 'session'].forEach(function (n) { localStorage.removeItem('ubi.' + n); }); } catch (e) { /* none */ }
  }
  function client() {
    if (!allowed()) { forget(); return ''; }
    var value = get('client');
    if (!value) put('client', value = id());
    return value;
  }
  function session() {
    if (!client()) return '';
    var value = get('session'), now = Date.now();
    if (!value || now - value.at > settings.session_ms) value = { id: id() };
    put('session', { id: value.id, at: now });
    return value.id;
  }
  function track(action, what) {
    if (!client()) return '';
    var given = what || {}, attributes = { session_id: session() }, event = {
      event_id: id(), action_name: action, client_id: client(), session_id: session(),
      timestamp: new Date().toISOString(), event_attributes: attributes
    };
    if (settings.application) event.application = settings.application;
    Object.keys(given).forEach(function (name) {
      var value = given[name];
      if (value == null || value === '') return;
      if (name === 'object_id' || name === 'object_id_field') {
        (attributes.object = attributes.object || {})[name] = String(value);
      } else if (name === 'position') attributes.position = { ordinal: Number(value) };
      else if (/^(query_id|user_query|message|message_type|application)$/.test(name)) event[name] = String(value);
      else attributes[name] = value;
    });
    queue.push(event);
    queue.splice(0, queue.length - settings.most);
    if (queue.length >= settings.batch) flush();
    else timer = timer || setTimeout(flush, settings.wait_ms);
    return event.event_id;
  }
  function flush() {
    clearTimeout(timer); timer = 0;
    if (!allowed()) return forget();
    while (queue.length) {
      var some = queue.splice(0, settings.batch);
      send(some.map(function (e) { return JSON.stringify(e); }).join('\n') + '\n', some);
    }
  }
  function send(body, events) {
    try { if (navigator.sendBeacon && navigator.sendBeacon(settings.endpoint, body)) return; } catch (e) { /* fetch */ }
    function again() { queue = events.concat(queue).slice(-settings.most); timer = timer || setTimeout(flush, 10000); }
    fetch(settings.endpoint, { method: 'POST', body: body, keepalive: body.length < 60000, mode: 'cors' })
      .then(function (answer) { if (answer.status === 429 || answer.status > 499) again(); }, again);
  }
  function read(element) {
    var what = {};
    for (var at = element; at && at.attributes; at = at.parentElement)
      for (var i = 0, all = at.attributes; i < all.length; i++) {
        var name = /^data-ubi-(.+)/.exec(all[i].name);
        name = name && name[1].replace(/-/g, '_');
        if (name && !/^(click|view)$/.test(name) && !(name in what)) what[name] = all[i].value;
      }
    return what;
  }
  function act(element, kind) { return track(element.getAttribute('data-ubi-' + kind) || kind, read(element)); }
  function watch() {
    d.querySelectorAll('[data-ubi-view]').forEach(function (element) {
      if (watched.has(element)) return;
      watched.add(element);
      if (observer) observer.observe(element);
    });
  }
  d.addEventListener('click', function (e) {
    var element = e.target.closest && e.target.closest('[data-ubi-click]');
    if (element) act(element, 'click');
  }, true);
  if (w.IntersectionObserver) observer = new IntersectionObserver(function (entries) {
    entries.forEach(function (entry) {
      clearTimeout(seen.get(entry.target));
      if (entry.isIntersecting) seen.set(entry.target, setTimeout(function () {
        observer.unobserve(entry.target);
        act(entry.target, 'view');
      }, settings.view_ms));
    });
  }, { threshold: 0.5 });
  d.addEventListener('visibilitychange', function () { if (d.visibilityState === 'hidden') flush(); });
  w.addEventListener('pagehide', flush);
  function start() {
    watch();
    new MutationObserver(watch).observe(d.documentElement, { childList: true, subtree: true });
  }
  d.readyState === 'loading' ? d.addEventListener('DOMContentLoaded', start) : start();

  w.ubi = {
    configure: function (given) { Object.assign(settings, given); return w.ubi; },
    track: track, flush: flush, forget: forget, client_id: client, session_id: session
  };
})(window, document);
