// Judges cases by a validator in JavaScript, in its strictest mode: node check.mjs FOLDER
//
// Each schema has to compile without a warning, and each case to get the verdict that the reader gave.

import Ajv from "ajv/dist/2020.js";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

const folder = process.argv[2];
const complain = (...said) => {
  throw new Error(`not silent: ${said.join(" ")}`);
};
const options = {
  strict: true,
  strictSchema: true,
  strictNumbers: true,
  strictTypes: true,
  strictTuples: true,
  strictRequired: true,
  allowUnionTypes: false,
  validateFormats: true,
  logger: { log: complain, warn: complain, error: complain },
};

const validators = new Map();
for (const version of readdirSync(join(folder, "schemas"))) {
  for (const file of readdirSync(join(folder, "schemas", version))) {
    const schema = JSON.parse(readFileSync(join(folder, "schemas", version, file), "utf8"));
    const name = `${version}/${file.replace(/\.json$/, "")}`;
    try {
      validators.set(name, new Ajv(options).compile(schema));
    } catch (error) {
      console.log(`${name}: ${error.message}`);
      process.exit(1);
    }
  }
}

const lines = readFileSync(join(folder, "cases.jsonl"), "utf8").trimEnd().split("\n");
const disputes = lines.filter((line) => {
  const { schema, document, valid } = JSON.parse(line);
  return validators.get(schema)(JSON.parse(document)) !== valid;
});
for (const line of disputes.slice(0, 12)) {
  console.log(line);
}
console.log(`javascript: ${validators.size} schemas, ${lines.length} documents, ${disputes.length} disputes`);
process.exit(disputes.length > 0 || lines.length < 2 ? 1 : 0);
