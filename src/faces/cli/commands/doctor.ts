import { examineHost } from '#work/doctor';
import type { Action } from '../context.ts';

/** `doctor`: what this host can do for a store in each path, and the fix for the rest. */
export const doctor: Action = async (context, operands) => {
  const paths = operands.length > 0 ? operands : [context.selection.path ?? '.'];
  const examinations = examineHost(paths);
  if (context.out.json) context.out.document({ places: examinations });
  for (const { path, capabilities } of examinations) {
    context.out.line(path);
    await context.out.table(
      ['', 'CAPABILITY', 'FOR', 'MISSING BECAUSE'],
      capabilities.map((row) => [row.available ? 'yes' : 'no', row.name, row.purpose, row.reason]),
    );
    for (const { name, fix } of capabilities) {
      if (fix !== '') context.out.line(`  ${name}: ${fix}`);
    }
  }
  return 0;
};
