//! A gateway that protects personal data in flight.
