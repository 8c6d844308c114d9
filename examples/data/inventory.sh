#!/bin/sh
# Stands for an inventory: gets {"context": "…"} and answers with hosts by name.
case $(cat) in
*'"prod"'*) echo '{"a": "10.0.0.11", "b": "10.0.0.12", "c": "10.0.0.13"}' ;;
*) echo '{"a": "staging.example.com"}' ;;
esac
