/**
 * Lists the images of a repository by a varlink service, and pulls one with its progress. The service is a program that is started here, or a
 * running one at a socket.
 *
 * Usage: node examples/call-a-service.ts PROGRAM|unix:SOCKET REPOSITORY [IMAGE NAME]
 */
import { connectVarlink, isOnecopyError, renderErrorText, startVarlink } from '../src/index.ts'; // in your project: from 'onecopy'

const [service = '', path = '', image, name = image] = process.argv.slice(2);
try {
  await using client = service.startsWith('unix:')
    ? await connectVarlink(service)
    : await startVarlink(service, ['varlink']);
  using opened = await client.call('org.composefs.Repository.OpenRepository', { path });
  const { handle } = opened.parameters;
  if (image !== undefined) {
    const request = { handle, image, name: name ?? null, local_fetch: 'auto', bootable: false };
    for await (const reply of client.callMore('org.composefs.Oci.Pull', request)) {
      using progress = reply;
      const { done, skipped, completed } = progress.parameters;
      if (done != null) process.stdout.write(`stored ${done.id}\n`);
      if (skipped != null) process.stdout.write(`kept ${skipped.id}\n`);
      if (completed != null) process.stdout.write(`pulled ${completed.manifest_digest}\n`);
    }
  }
  using listed = await client.call('org.composefs.Oci.ListImages', { handle });
  for (const { name, manifest_digest: digest } of listed.parameters.images) {
    process.stdout.write(`${name} ${digest}\n`);
  }
} catch (error) {
  if (!isOnecopyError(error)) throw error;
  process.stderr.write(`${renderErrorText(error)}\n`);
  process.exitCode = error.exitCode;
}
