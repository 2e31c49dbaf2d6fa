import type { Handler } from '../setting.ts';

/** `varlink` and `oci varlink`: serves until a signal, or until the client of a passed connection disconnects. */
export const varlink: Handler = async (setting) => {
  const { globals, given, signal } = setting;
  const { OpenRepositories, serve } = await import('#faces/varlink');
  const { upstreamInterfaces } = await import('./interfaces.ts');
  const repositories = new OpenRepositories({
    insecure: globals.has('insecure'),
    requireVerity: globals.has('require-verity'),
    upgrade: !globals.has('no-upgrade'),
  });
  await serve(
    {
      vendor: 'org.composefs',
      product: 'cfsctl',
      version: '0.9.4',
      url: 'https://github.com/composefs/composefs-rs',
      interfaces: upstreamInterfaces(repositories),
    },
    {
      address: given.value('address'),
      signal,
      onFailure: (error) => setting.warn(`Warning: ${String(error)}\n`),
    },
  );
  signal.throwIfAborted();
  return undefined;
};
