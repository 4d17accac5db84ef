// Aborts a stream of the official JavaScript client after its first piece, and prints what came.
// Argument: the URL of the server.
import { Ollama } from "ollama";

const client = new Ollama({ host: process.argv[2] });
const stream = await client.chat({ model: "llama3.2", messages: [{ role: "user", content: "hi" }], stream: true });
let pieces = 0;
try {
  for await (const _ of stream) {
    pieces += 1;
    client.abort();
  }
} catch (error) {
  console.log(JSON.stringify({ error: error.name, pieces }));
}
