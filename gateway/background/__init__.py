"""What a worker does beside its requests, once their clients have their answers: what audits and shadows share."""
