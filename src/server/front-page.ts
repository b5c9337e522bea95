const LINKS: readonly (readonly [path: string, says: string])[] = [
  ['/events', 'what happened'],
  ['/streams', 'the entities it happened to'],
  ['/consumers', 'what reacts, and how far it has come'],
  ['/dead-letters', 'what could not be handled'],
  ['/views', 'read models'],
  ['/commands', 'what can be asked for, and who decides it'],
  ['/catalog', 'which facts there are, who publishes and who consumes them'],
  ['/openapi.json', 'this interface, for programs'],
  ['/asyncapi.json', 'the facts as AsyncAPI, for tools'],
  ['/healthz', 'whether the process answers'],
  ['/readyz', 'whether it can work'],
  ['/metrics', 'figures for Prometheus'],
];

/** Nothing on it comes from a request or from the store. */
export const PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Thereupon</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 42rem; margin: 3rem auto; padding: 0 1rem; color: #1b1b1f; background: #fff }
  a { color: #0b57d0 } code { background: #f1f1f4; padding: .1em .3em } pre { background: #f1f1f4; padding: 1em; overflow: auto }
  @media (prefers-color-scheme: dark) { body { color: #e4e4e9; background: #17171b } a { color: #a8c7fa } code, pre { background: #26262c } }
</style>
<h1>Thereupon</h1>
<p>An event-driven automation system: it records what happened, and thereupon lets react what needs to.</p>
<ul>
${LINKS.map(([path, says]) => `  <li><a href="${path}">${path}</a>: ${says}</li>`).join('\n')}
</ul>
<p>Where the log keeps a hash chain, <code>GET /chain</code> gives its head.</p>
<p>Publish a fact and follow what comes of it:</p>
<pre>thereupon publish --type TYPE --data '{ ... }'
thereupon tail</pre>
<p>or, with <code>curl</code>, as <a href="/openapi.json">POST /events</a> and <code>GET /events</code> with <code>accept: text/event-stream</code> at this address.</p>
</html>
`;
