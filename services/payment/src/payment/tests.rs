//! The whole domain against a model of a provider.

mod examples;
mod life;
mod model;
mod random;
mod world;
