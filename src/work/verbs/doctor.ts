import * as v from 'valibot';
import { examineHost } from '#work/doctor';
import { list, text } from './schemas.ts';
import { defineVerb } from './verb.ts';

const report = v.object({
  places: list(
    v.object({
      path: text,
      capabilities: list(
        v.object({ name: text, available: v.boolean(), purpose: text, reason: text, fix: text }),
      ),
    }),
  ),
});
export type DoctorReport = v.InferOutput<typeof report>;

/** `doctor`: which features this host has for a store in each path, and how to enable the rest. */
export const doctor = defineVerb({
  request: v.strictObject({ paths: v.optional(list(text), []) }),
  report,
  examples: [
    { request: { paths: ['/tmp'] }, says: 'Report the features that a repository in /tmp can use' },
  ],
  async run(context, { paths }) {
    return { places: examineHost(paths.length > 0 ? paths : [context.repository.path ?? '.']) };
  },
});
