// Uses the gateway as an agent does, by one of two client libraries, and prints
// what came of it as JSON: node driver.mjs sdk|client URL TOKEN
const [library, url, token] = process.argv.slice(2);

const {Client, StreamableHTTPClientTransport} = library === 'client'
  ? await import('@modelcontextprotocol/client')
  : {
      ...await import('@modelcontextprotocol/sdk/client/index.js'),
      ...await import('@modelcontextprotocol/sdk/client/streamableHttp.js'),
    };

const client = new Client({name: 'sallyport-mcptest', version: '1.0.0'}, library === 'client' ? {versionNegotiation: {mode: 'auto'}} : {});
let version; // the revision that the last request was of
await client.connect(new StreamableHTTPClientTransport(new URL(url), {
  requestInit: {headers: {Authorization: `Bearer ${token}`}},
  fetch: (address, init) => {
    version = new Headers(init.headers).get('mcp-protocol-version') ?? version;
    return fetch(address, init);
  },
}));

const progress = [];
const options = {onprogress: p => progress.push(p.message)};

// The older library takes the schema of the result between the two.
function call(name, args, meta = {}, options = undefined) {
  const params = {name, arguments: args, _meta: meta};
  return library === 'sdk' ? client.callTool(params, undefined, options) : client.callTool(params, options);
}

const tools = (await client.listTools()).tools.map(t => t.name);
const scale = {environment: 'staging', name: 'api', replicas: 4, sallyport_reason: 'a client that is not ours'};
const succeeded = await call('gitops_scale_deployment', scale, {'dev.sallyport/session': library}, options);
const again = await call('gitops_scale_deployment', scale, {'dev.sallyport/session': library});
const denied = await call('gitops_scale_deployment', {...scale, replicas: 50});
const asked = await call('gitops_scale_deployment', {...scale, environment: 'production', replicas: 5}, {'dev.sallyport/wait-seconds': 2});
const looked = await call('get_call', {id: asked._meta['dev.sallyport/call'].id});
let unknown;
try {
  unknown = await call('no_such_tool', {});
} catch (error) {
  unknown = {code: error.code, message: error.message};
}
await client.close();
console.log(JSON.stringify({version, tools, progress, succeeded, again, denied, asked, looked, unknown}));
