import type { DoctorReport } from '#work/verbs';
import type { Text } from './text.ts';

/** The text of `doctor`. */
export const text: Text<DoctorReport> = async ({ places }, { line, table }) => {
  for (const { path, capabilities } of places) {
    line(path);
    await table(
      ['', 'CAPABILITY', 'FOR', 'MISSING BECAUSE'],
      capabilities.map((row) => [row.available ? 'yes' : 'no', row.name, row.purpose, row.reason]),
    );
    for (const { name, fix } of capabilities) {
      if (fix !== '') line(`  ${name}: ${fix}`);
    }
  }
};
