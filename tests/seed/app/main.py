"""A service that answers one question."""

from fastapi import FastAPI

app = FastAPI()


@app.get("/health")
async def health() -> dict[str, str]:
    """Answer that the process lives."""
    return {"status": "alive"}
