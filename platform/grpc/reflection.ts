import { readFileSync } from 'node:fs';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { type FileDescriptorProto, FileDescriptorProtoSchema, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import type { handleBidiStreamingCall, Server } from '@grpc/grpc-js';
import { ReflectionService } from '@grpc/reflection';

/** What every error comes with (`status.ts`): packed, so no contract imports it. */
const DETAILS_OF_ERRORS = ['google/rpc/status.proto', 'google/rpc/error_details.proto'];

/**
 * Serves server reflection (grpc.reflection.v1 and v1alpha): tells of these services of ours, of health and of itself, with
 * everything that their messages and their errors are made of, and of nothing that is served elsewhere.
 *
 * @param services their full names: `musubi.auth.v1.AuthService`
 */
export function addReflection(server: Server, services: readonly string[]): void {
  const [ours, standard] = [filesIn('descriptors'), filesIn('standard-descriptors')];
  const roots = services.map((service) => {
    const root = ours.find((file) => servicesOf(file).includes(service));
    if (!root) throw new Error(`platform/gen/descriptors.binpb does not know ${service}: npm run generate`);
    return root;
  });
  const files = new Set([...standard, ...roots, ...ours.filter(({ name }) => DETAILS_OF_ERRORS.includes(name))]);
  // What they import, and what that imports: a set grows while it is walked.
  for (const { dependency } of files) {
    for (const file of ours) if (dependency.includes(file.name)) files.add(file);
  }
  // The files as they were compiled: @grpc/proto-loader would make others of them, without imports. Of a package
  // definition the library reads only that.
  const fileDescriptorProtos = [...files].map((file) => toBinary(FileDescriptorProtoSchema, file));
  const definition = { [services[0] ?? '']: { fileDescriptorProtos } } as unknown as ConstructorParameters<
    typeof ReflectionService
  >[0];
  new ReflectionService(definition, { services: [...services, ...standard.flatMap(servicesOf)] }).addToServer(inPace(server));
}

/** What `npm run generate` has compiled. */
function filesIn(set: 'descriptors' | 'standard-descriptors'): FileDescriptorProto[] {
  return fromBinary(FileDescriptorSetSchema, readFileSync(new URL(`../gen/${set}.binpb`, import.meta.url))).file;
}

const servicesOf = (file: FileDescriptorProto): string[] => file.service.map(({ name }) => `${file.package}.${name}`);

/**
 * The library answers as fast as it is asked: who asks and never reads would have the answers, a thousand times as large
 * as the questions, pile up here.
 */
function inPace(server: Server): Server {
  const addService: Server['addService'] = (definition, implementation) => {
    const answer = implementation.ServerReflectionInfo as handleBidiStreamingCall<unknown, unknown>;
    const paced: typeof answer = (stream) => {
      answer(stream);
      stream.on('data', () => {
        if (!stream.writableNeedDrain) return;
        stream.pause();
        stream.once('drain', () => stream.resume());
      });
    };
    server.addService(definition, { ServerReflectionInfo: paced });
  };
  return { addService } as Server;
}
