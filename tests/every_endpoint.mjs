// Calls every method of the official JavaScript client and prints what came of it, as one line of
// JSON. Arguments: the URL of the server, and a file with the requests by the names of the calls.
import { readFileSync } from "node:fs";
import { Ollama } from "ollama";

const [url, requests] = process.argv.slice(2);
// The client asks for searches at a fixed address: the server under test stands in for it.
const redirected = (target, options) =>
  fetch(target.replace("https://ollama.com", url), options);
const headers = { Authorization: "Bearer key" };
const client = new Ollama({ host: url, fetch: redirected, headers });
const results = {};

for (const [name, method, request] of JSON.parse(readFileSync(requests, "utf-8"))) {
  try {
    const result = await client[method](...(request === null ? [] : [request]));
    if (request !== null && request.stream) {
      results[name] = [];
      for await (const part of result) results[name].push(part);
    } else {
      results[name] = result;
    }
  } catch (error) {
    results[name] = { error: error.error ?? error.message, status: error.status_code };
  }
}

const own = Object.getOwnPropertyNames;
const methods = [...own(Ollama.prototype), ...own(Object.getPrototypeOf(Ollama.prototype))];
console.log(JSON.stringify({ results, methods }));
