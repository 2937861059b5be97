"""What tests with real parts stand on: engines, networks of nodes, a registry, clients. See README.md."""
