// Calls a gateway by the types that openapi-typescript has generated. It gets the
// gateway's address and an agent's token.
import createClient from "openapi-fetch";
import type {paths} from "./gateway.d.ts";

const [baseUrl, token] = process.argv.slice(2);
const api = createClient<paths>({baseUrl, headers: {Authorization: `Bearer ${token}`}});

const tools = await api.GET("/v1/tools");
console.log("tools:", tools.data!.tools.length > 0);

const done = await api.POST("/v1/calls", {body: {tool: "gitops_get_manifest", arguments: {environment: "staging", name: "api"}}});
const call = done.data!;
console.log("call:", call.state);

const again = await api.GET("/v1/calls/{id}", {params: {path: {id: call.id}}});
console.log("the same:", again.data!.id === call.id);

const denied = await api.POST("/v1/decisions", {
	body: {tool: "gitops_scale_deployment", arguments: {environment: "staging", name: "api", replicas: 50}},
});
console.log("decision:", denied.data!.effect, denied.data!.reasons[0].code);

const none = await api.GET("/v1/calls/{id}", {params: {path: {id: "none"}}});
console.log("problem:", none.error!.code);
