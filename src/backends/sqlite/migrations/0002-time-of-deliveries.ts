/** How far event time had come when an event was taken that is set aside. Of those from before it is not known. */
export const timeOfDeliveries = `
ALTER TABLE deliveries ADD COLUMN taken TEXT;
`;
