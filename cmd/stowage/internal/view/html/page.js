(function () {
  'use strict';
  var root = document.documentElement;
  function all(selector, within) { return Array.prototype.slice.call((within || document).querySelectorAll(selector)); }
  function one(id) { return document.getElementById(id); }

  var theme = one('theme');
  theme.hidden = false;
  theme.addEventListener('click', function () {
    var dark = root.dataset.theme ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
    root.dataset.theme = dark ? 'light' : 'dark';
  });

  // What a link or a step of the graph leads to is unfolded.
  function reveal() {
    var target = location.hash.length > 1 && one(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    for (var e = target; e; e = e.parentElement) {
      if (e.tagName === 'DETAILS') e.open = true;
      if (e.classList.contains('entry') || e.classList.contains('group')) e.hidden = false;
    }
    target.scrollIntoView();
  }
  addEventListener('hashchange', reveal);
  reveal();

  var unfolded = [];
  addEventListener('beforeprint', function () {
    unfolded = all('details:not([open])').slice(0, 1000);
    unfolded.forEach(function (d) { d.open = true; });
  });
  addEventListener('afterprint', function () { unfolded.forEach(function (d) { d.open = false; }); });

  var tools = one('tools');
  if (tools) {
    var search = one('search'), found = one('found');
    var entries = all('.entry'), groups = all('.group'), off = {}, timer = 0;
    var texts = null;
    function filter() {
      var words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      if (words.length && !texts) texts = entries.map(function (e) { return e.textContent.toLowerCase(); });
      var shown = 0;
      entries.forEach(function (e, i) {
        var match = !off[e.dataset.action] && words.every(function (w) { return texts[i].indexOf(w) >= 0; });
        if (e.hidden === match) e.hidden = !match;
        if (match) shown++;
      });
      groups.forEach(function (g) {
        var any = g.querySelector('.entry:not([hidden])');
        g.hidden = !any;
        if (words.length) g.open = shown <= 200;
      });
      found.textContent = shown === entries.length ? '' : shown + ' of ' + entries.length + ' shown';
    }
    tools.hidden = false;
    tools.addEventListener('submit', function (e) { e.preventDefault(); });
    search.addEventListener('input', function () {
      clearTimeout(timer);
      timer = setTimeout(filter, entries.length > 1000 ? 150 : 0);
    });
    all('[data-action]', tools).forEach(function (b) {
      b.addEventListener('click', function () {
        off[b.dataset.action] = !off[b.dataset.action];
        b.setAttribute('aria-pressed', String(!off[b.dataset.action]));
        filter();
      });
    });
    function fold(open) {
      groups.concat(entries).forEach(function (d) { if (!d.hidden) d.open = open; });
    }
    one('unfold').addEventListener('click', function () { fold(true); });
    one('fold').addEventListener('click', function () { fold(false); });
    addEventListener('keydown', function (e) {
      if (e.key === '/' && document.activeElement !== search && !e.ctrlKey && !e.metaKey && !e.altKey) {
        e.preventDefault();
        search.focus();
      } else if (e.key === 'Escape' && document.activeElement === search) {
        search.value = '';
        filter();
      }
    });
  }

  // A step under the pointer, or with the focus, shows what it waits for and what waits for it.
  var svg = document.querySelector('.canvas svg');
  if (svg) {
    var nodes = all('[data-node]', svg), edges = all('[data-from]', svg);
    function light(node) {
      var near = {};
      if (node) near[node.dataset.node] = true;
      edges.forEach(function (e) {
        var on = node && (e.dataset.from === node.dataset.node || e.dataset.to === node.dataset.node);
        if (on) near[e.dataset.from] = near[e.dataset.to] = true;
        e.classList.toggle('near', Boolean(on));
        e.classList.toggle('far', Boolean(node && !on));
      });
      nodes.forEach(function (n) { n.classList.toggle('far', Boolean(node && !near[n.dataset.node])); });
    }
    function at(e) { return e.target.closest ? (e.target.closest('[data-node]') || (e.type === 'focusin' && e.target.querySelector('[data-node]'))) : null; }
    svg.addEventListener('mouseover', function (e) { light(at(e)); });
    // Where the pointer leaves, the step that has the focus shows its own again.
    function focused() { return svg.contains(document.activeElement) ? document.activeElement.querySelector('[data-node]') : null; }
    svg.addEventListener('mouseleave', function () { light(focused()); });
    svg.addEventListener('focusin', function (e) { light(at(e)); });
    svg.addEventListener('focusout', function () { light(null); });
  }
})();
