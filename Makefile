# Shorthands; ./run and ./test are the real entries.
.PHONY: run test docs lock

run:
	./run

test:
	./test

docs: ## Write the pages that are made from the code.
	.venv/bin/python docs/generate.py

# Names, versions and hashes: no lock says where a package comes from.
COMPILE = .venv/bin/uv pip compile --universal --python-version 3.11 --generate-hashes --no-annotate --no-header -q

lock: ## Resolve pyproject.toml again into the hash-locked lists.
	$(COMPILE) pyproject.toml --extra postgresql --group install -o requirements.lock
	$(COMPILE) pyproject.toml --extra postgresql --group install --group dev -c requirements.lock -o requirements-dev.lock
	$(COMPILE) --group node -o requirements-node.lock
	$(COMPILE) --group uv -o requirements-uv.lock
