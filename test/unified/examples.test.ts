import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { VERBS } from '#work/verbs';
import { needs } from '../support/capability.ts';
import { FakeRegistry } from '../support/fake-registry.ts';
import { MemoryRegistry } from '../support/memory-registry.ts';
import { makeUnifiedPlace } from '../support/unified-place.ts';

const LAYOUT = fileURLToPath(new URL('../golden/cfsctl/oci/basic/layout', import.meta.url));

test('every example of the unified verbs can be planned and run', async (t) => {
  if (!needs(t, 'xfs', 'root')) return;
  await using place = await makeUnifiedPlace('xfs');
  const layout = join(place.filesystem.path, 'layout');
  cpSync(LAYOUT, layout, { recursive: true });
  const memory = new MemoryRegistry({ referrers: true });
  memory.addLayout('ns/app', layout, '1');
  await using registry = await FakeRegistry.start(memory.handler);
  for (const { name, load } of VERBS) {
    if (!name.startsWith('unified ')) continue;
    const verb = await load();
    for (const { request } of verb.examples) {
      const here = JSON.parse(
        JSON.stringify(request)
          .replace('oci:layout', `oci:${layout}`)
          .replaceAll('localhost:5000', registry.plainHost),
      );
      if (verb.plan !== undefined) await place.plan(name, here);
      await place.ask(name, here);
    }
  }
});
