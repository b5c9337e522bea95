/** Where the servers of nodes answer. Programs of the form before say nothing of theirs. */
export const serversOfNodes = `
ALTER TABLE nodes
  ADD COLUMN network text, -- to which its loopback addresses belong
  ADD COLUMN url     text; -- where its server answers, if it has one
`;
