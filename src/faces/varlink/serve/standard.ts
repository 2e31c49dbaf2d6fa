import { type Parameters, parseInterface, printInterface } from '#formats/varlink';
import { CallError, type Method, type ServedInterface, type Service } from './service.ts';

/** The interface of every service. Source: varlink.org, "Service Interface". */
export const STANDARD = 'org.varlink.service';

const DESCRIPTION = `# What every service tells about itself
interface ${STANDARD}

# Tells who made the service, and its interfaces.
method GetInfo() -> (
  vendor: string,
  product: string,
  version: string,
  url: string,
  interfaces: []string
)

# Gives the text that describes an interface.
method GetInterfaceDescription(interface: string) -> (description: string)

# The service has no such interface.
error InterfaceNotFound (interface: string)

# The interface has no such method.
error MethodNotFound (method: string)

# The method is described, but this service does not have it.
error MethodNotImplemented (method: string)

# A parameter is missing, or is not of its type.
error InvalidParameter (parameter: string)

# The client may not do this.
error PermissionDenied ()

# The method gives several replies, so the call must have "more".
error ExpectedMore ()
`;

/** An error of the standard interface. */
export function standardError(name: string, parameters: Parameters = {}): CallError {
  return new CallError(`${STANDARD}.${name}`, parameters);
}

/** The standard interface: describes the service and its interfaces. */
export function standardInterface(service: Service): ServedInterface {
  const described = parseInterface(DESCRIPTION);
  const all = () => [...service.interfaces.map((one) => one.described), described];
  const { vendor, product, version, url } = service;
  const methods: Readonly<Record<string, Method>> = {
    GetInfo: {
      run: async () => ({
        parameters: {
          vendor,
          product,
          version,
          url,
          interfaces: all().map(({ name }) => name),
        },
      }),
    },
    GetInterfaceDescription: {
      run: async ({ parameters }) => {
        const found = all().find(({ name }) => name === parameters['interface']);
        if (found !== undefined) return { parameters: { description: printInterface(found) } };
        throw standardError('InterfaceNotFound', { interface: parameters['interface'] });
      },
    },
  };
  return { described, methods, explain: () => standardError('MethodNotImplemented') };
}
