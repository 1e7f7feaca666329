pub(crate) use crate::backend::{NATIVE as ROUTER, Native as Router};
