// What histories are kept of: the system's workflows, and sagas of tests, by which the engine has each of its branches once.
export * from './child.fixture.ts';
export * from './index.ts';
export * from './list.fixture.ts';
