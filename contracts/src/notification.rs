//! The notification service: ids that others may meet. It is asked by events only.

crate::typed_id!(
    /// A message to one recipient.
    MessageId,
    "msg"
);
